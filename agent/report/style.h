#pragma once

namespace cardswap::report {

/// The style sheet of the page and its charts.
inline constexpr auto kStyle = R"css(
:root { color-scheme: light dark;
  --page: #f4f6f8; --card: #ffffff; --ink: #17212b; --soft: #5b6876; --line: #e3e8ed; --track: #eef1f4;
  --ok: #1a7f4b; --bad: #c0392b; --warn: #9a6200;
  --wait: #b4c0cc; --copy: #6aa5e8; --follow: #4fbfb4; --hold: #f0b94a; --stop: #ef8354; --train: #62bd84;
  --lag: #9d7fe0; --gone: #d9534a; --barink: #10202c; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0f151b; --card: #182129; --ink: #e6edf3; --soft: #94a3b3; --line: #2a3641; --track: #202b35;
  --ok: #58c98b; --bad: #f0766b; --warn: #e3b04b;
  --wait: #6f8091; --copy: #5b96db; --follow: #41aea3; --hold: #dba63c; --stop: #e27a4d; --train: #52ab74;
  --lag: #9679dc; --gone: #d9605a; --barink: #08121a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 40px; }
header { margin-bottom: 20px; }
h1 { font-size: 26px; line-height: 1.25; margin: 6px 0 4px; font-weight: 650; }
h2 { font-size: 16px; margin: 0 0 14px; font-weight: 650; }
.sub { color: var(--soft); margin: 0; }
.badge { display: inline-block; padding: 2px 11px; border-radius: 999px; font-size: 13px; font-weight: 600;
  border: 1px solid currentColor; }
.ok { color: var(--ok); } .bad { color: var(--bad); } .warn { color: var(--warn); } .going { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(168px, 1fr)); gap: 14px; margin-bottom: 14px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: 14px 16px; }
.tile .name { color: var(--soft); font-size: 13px; }
.tile .figure { font-size: 24px; line-height: 1.3; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile .more { color: var(--soft); font-size: 13px; line-height: 1.4; }
.card { padding: 18px 20px 20px; margin-bottom: 14px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 14px; align-items: start;
  margin-bottom: 14px; }
.pair .card { margin-bottom: 0; }
.wide { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 760px; height: auto; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .lane, svg .panel { fill: var(--ink); font-weight: 600; }
svg .bar { fill: var(--barink); font-weight: 600; pointer-events: none; }
svg .value { fill: var(--ink); font-weight: 600; font-size: 13px; }
svg .flag { font-weight: 650; }
svg text.pause { fill: var(--stop); } svg text.gave-up { fill: var(--gone); }
svg rect.pause { fill: var(--stop); opacity: .16; pointer-events: none; }
svg rect.gave-up { fill: var(--gone); opacity: .16; pointer-events: none; }
line.pause { stroke: var(--stop); stroke-dasharray: 3 3; } line.gave-up { stroke: var(--gone); stroke-width: 1.5; }
.grid { stroke: var(--line); } .base { stroke: var(--soft); opacity: .6; } .track { fill: var(--track); }
.limit { stroke: var(--gone); stroke-width: 1.5; stroke-dasharray: 5 4; }
.round { fill: var(--barink); opacity: .55; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; } .area { stroke: none; opacity: .2; }
.curve.sent { stroke: var(--copy); } .area.sent { fill: var(--copy); }
.curve.left { stroke: var(--soft); } .area.left { fill: var(--wait); }
.curve.rate { stroke: var(--follow); } .area.rate { fill: var(--follow); }
.curve.lag { stroke: var(--lag); } .area.lag { fill: var(--lag); }
.curve.expected { stroke: var(--stop); }
.curve.steps { stroke: var(--train); } circle.steps { fill: var(--train); }
.curve.still { stroke: var(--stop); stroke-dasharray: 4 3; }
.k-wait, .p-predicted { fill: var(--wait); background: var(--wait); }
.k-copy, .p-scan { fill: var(--copy); background: var(--copy); }
.k-follow, .p-send { fill: var(--follow); background: var(--follow); }
.k-hold, .p-hold { fill: var(--hold); background: var(--hold); }
.k-stop, .p-grant { fill: var(--stop); background: var(--stop); }
.k-train { fill: var(--train); background: var(--train); }
.p-verify { fill: var(--lag); background: var(--lag); }
.p-process { fill: var(--hold); background: var(--hold); }
.k-bad { fill: var(--gone); background: var(--gone); }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; margin: 12px 0 0; padding: 0; list-style: none;
  color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; }
.legend i.mark { width: 2px; height: 13px; border-radius: 0; margin-left: 4px; vertical-align: -1px; background: var(--soft); }
.legend b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
.stack { display: flex; gap: 2px; height: 24px; border-radius: 4px; overflow: hidden; background: var(--track); }
.stack i { display: block; min-width: 2px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 6px 14px 6px 0; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-size: 13px; font-weight: 500; }
tbody th { font-weight: 500; color: var(--soft); white-space: nowrap; width: 1%; }
td.number, th.number { text-align: right; white-space: nowrap; }
td i.chip { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 9px; }
.findings { margin: 0; padding: 0; list-style: none; }
.findings li { padding: 7px 0; border-top: 1px solid var(--line); display: flex; gap: 12px; }
.findings li:first-child { border-top: 0; padding-top: 0; }
.findings .level { flex: 0 0 62px; font-size: 13px; font-weight: 600; line-height: 1.75; }
footer { color: var(--soft); font-size: 13px; margin-top: 20px; }
@media (max-width: 520px) { .pair { grid-template-columns: 1fr; } main { padding: 20px 12px; } }
@media print { body { background: none; } .card, .tile { break-inside: avoid; } }
)css";

}  // namespace cardswap::report
