"""The check of hosts finds those of registries wherever they stand in a line, and nothing else."""
import pathlib
import sys
import unittest

SCRIPTS = pathlib.Path(sys.argv.pop())
sys.path.insert(0, str(SCRIPTS))
import check_hosts  # noqa: E402

# In parts: this file is looked at too.
ORG, COM = ".org", ".com"


class Hosts(unittest.TestCase):
    def test_hosts_of_registries_are_found(self):
        for host in ("deb.debian" + ORG, "security.debian" + ORG, "pypi" + ORG, "files.pythonhosted" + ORG,
                     "download.pytorch" + ORG, "archive.ubuntu" + COM, "registry.npmjs" + ORG):
            for line in (f"deb http://{host}/any stable main", f'url = "https://{host}"', host):
                found = check_hosts.complaints({"scripts/a.sh": f"first\n{line}\n"})
                self.assertEqual(len(found), 1, line)
                self.assertTrue(found[0].startswith(f"scripts/a.sh:2: {host}:"), found[0])

    def test_other_hosts_and_names_alone_are_not(self):
        for line in ("http://mirror.example/debian", "PyPI's wheel", "www.debian" + ORG, "my-pypi" + ORG,
                     "pypi" + ORG + "anisation"):
            self.assertEqual(check_hosts.complaints({"a.md": line}), [], line)


if __name__ == "__main__":
    unittest.main()
