#!/usr/bin/env bash
# Where this machine gets Debian's packages from, as its own apt is told.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: scripts/debian_mirrors.sh [APT_DIR [CODENAME]]
Prints, one a line, the URIs in APT_DIR (default /etc/apt: sources.list, sources.list.d/*.list and *.sources)
that are said to have the release CODENAME (default: this machine's) of Debian's own packages. Fails, and
says so, where there is none.
EOF
}
case ${1:-} in
  -h|--help) usage; exit 0 ;;
esac
dir=${1:-/etc/apt}
codename=${2:-$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")}

files=()
for file in "$dir"/sources.list "$dir"/sources.list.d/*.list "$dir"/sources.list.d/*.sources; do
  if [ -r "$file" ]; then files+=("$file"); fi
done
found=
if [ ${#files[@]} -gt 0 ]; then
  found=$(awk -v codename="$codename" '
    # Whoever signs with a key of their own has packages of their own, under whatever name.
    function source(types, uris, suites, components, key,   all, i, n) {
      if (" " types " " !~ / deb / || " " components " " !~ / main / || (key != "" && key !~ /debian-archive-/)) return
      if (" " suites " " !~ " (" codename "|stable) ") return
      n = split(uris, all, " ")
      for (i = 1; i <= n; i++) if (!seen[all[i]]++) print all[i]
    }
    function end_of_stanza() {
      if (tolower(value["enabled"]) !~ /no|false|0/)
        source(value["types"], value["uris"], value["suites"], value["components"], value["signed-by"])
      split("", value)
      field = ""
    }
    FNR == 1 { end_of_stanza() }
    /^[ \t]*#/ { next }
    FILENAME !~ /\.sources$/ {
      sub(/#.*/, "")
      key = ""
      if (match($0, /\[[^]]*\]/)) {
        options = substr($0, RSTART + 1, RLENGTH - 2)
        $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
        if (match(options, /signed-by=[^ ]*/)) key = substr(options, RSTART + 10, RLENGTH - 10)
      }
      components = ""
      for (i = 4; i <= NF; i++) components = components " " $i
      source($1, $2, $3, components " ", key)
      next
    }
    /^[ \t]*$/ { end_of_stanza(); next }
    /^[ \t]/ { value[field] = value[field] " " $0; gsub(/[ \t]+/, " ", value[field]); next }
    {
      field = tolower(substr($0, 1, index($0, ":") - 1))
      value[field] = substr($0, index($0, ":") + 1)
      gsub(/[ \t]+/, " ", value[field])
    }
    END { end_of_stanza() }
  ' "${files[@]}")
fi
if [ -z "$found" ]; then
  echo "debian_mirrors: no source in $dir has Debian's $codename main: without one nothing of Debian can be fetched" >&2
  exit 1
fi
echo "$found"
