"""How a report looks: one style sheet for screens, phones and paper, light and dark."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1c2430; --soft: #5d6878; --rule: #dfe3ea;
  --accent: #2563c9; --right: #15794a; --wrong: #c0322f;
  --right-back: #d9f2e3; --wrong-back: #fbdedb; --both-back: #e4ecc8;
  --c0: #2563c9; --c1: #d1651a; --c2: #15794a; --c3: #a33fb5; --c4: #b3851a; --c5: #5d6878;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --card: #1b212b; --text: #e6eaf0; --soft: #9aa6b6; --rule: #313a47;
    --accent: #6ea3ff; --right: #62d196; --wrong: #ff8d85;
    --right-back: #17452f; --wrong-back: #5a2523; --both-back: #454a1b;
    --c0: #6ea3ff; --c1: #ff9d5c; --c2: #62d196; --c3: #d98be8; --c4: #e0b850; --c5: #9aa6b6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.6 system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Noto Sans JP",
    "Noto Sans CJK JP", "BIZ UDGothic", "Yu Gothic", Meiryo, IPAGothic, sans-serif;
  overflow-wrap: anywhere; -webkit-text-size-adjust: 100%;
}
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.15rem; margin: 0 0 14px; }
h3 { font-size: .95rem; margin: 18px 0 8px; }
h2 + h3, .pair h3 { margin-top: 0; }
p { margin: 6px 0; }
.soft, .lead { color: var(--soft); }
section, .tile, .note {
  background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
}
section { padding: 20px 22px; margin-top: 18px; }
.note { padding: 10px 16px; margin-top: 14px; border-left: 4px solid var(--c4); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 18px; }
.tile { padding: 12px 18px; flex: 1 1 130px; }
.tile data { display: block; font-size: 1.65rem; font-weight: 650; line-height: 1.3; }
.pair { display: grid; gap: 26px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.pair > * { min-width: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; text-align: left; border-bottom: 1px solid var(--rule); vertical-align: top; }
tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 600; font-size: .87rem; white-space: nowrap; }
tbody th { font-weight: 500; }
.number { text-align: right; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
.matrix th, .matrix td { padding: 6px 12px; }
.matrix th { white-space: nowrap; }
.matrix td {
  text-align: right; border: 1px solid var(--rule); min-width: 3.2em;
  background: color-mix(in srgb, var(--accent) var(--share), transparent);
}
.matrix .hit { font-weight: 650; }
svg { width: 100%; max-width: 560px; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
svg path { fill: none; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg polyline { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
svg circle { fill: currentColor; }
.line0 { color: var(--c0); } .line1 { color: var(--c1); } .line2 { color: var(--c2); }
.line3 { color: var(--c3); } .line4 { color: var(--c4); } .line5 { color: var(--c5); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 6px 0 0; font-size: .87rem; }
.legend span::before {
  content: ""; display: inline-block; width: 14px; height: 3px; margin-right: 6px;
  vertical-align: middle; background: currentColor; border-radius: 2px;
}
.legend b { color: var(--text); font-weight: 400; }
ol.rows { list-style: none; margin: 0; padding: 0; }
ol.rows > li { padding: 13px 0; border-top: 1px solid var(--rule); break-inside: avoid; }
ol.rows > li:first-child { border-top: 0; padding-top: 0; }
.id { color: var(--soft); font-size: .82rem; }
.text { margin: 2px 0; }
.answers { display: flex; flex-wrap: wrap; gap: 2px 22px; font-size: .92rem; }
.right { color: var(--right); } .wrong { color: var(--wrong); }
.bars { max-width: 460px; width: 100%; margin-top: 4px; font-size: .87rem; }
.bars th, .bars td { border: 0; padding: 1px 10px 1px 0; }
.bars th { font-weight: 400; width: 38%; }
.bars .number { width: 4.5em; }
.bar { display: block; height: 9px; margin-top: 7px; border-radius: 5px; background: var(--c5); }
.right .bar { background: var(--right); } .wrong .bar { background: var(--wrong); }
.words { display: flex; flex-wrap: wrap; gap: 4px 3px; margin-top: 4px; line-height: 1.4; }
.word { padding: 1px 4px; border-radius: 5px; }
.word small { display: block; font-size: .72rem; color: var(--soft); }
.word.tag-right { background: var(--right-back); }
.word.tag-wrong { background: var(--wrong-back); }
.word.tag-wrong small { color: var(--wrong); }
mark { color: inherit; border-radius: 4px; padding: 0 2px; background: var(--right-back); }
mark.predicted { background: var(--wrong-back); text-decoration: underline wavy var(--wrong) 1px; text-underline-offset: 4px; }
mark.both { background: var(--both-back); }
details summary { cursor: pointer; color: var(--accent); }
details.long { display: inline; } details.long summary { display: inline; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .88em; }
footer { margin-top: 26px; color: var(--soft); font-size: .85rem; }
@media (max-width: 560px) {
  main { padding: 18px 12px 40px; }
  section { padding: 16px 14px; }
  .tile { flex-basis: 40%; padding: 10px 14px; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --text: #000; --soft: #444; --rule: #ccc;
    --accent: #2563c9; --right: #15794a; --wrong: #c0322f;
    --right-back: #d9f2e3; --wrong-back: #fbdedb; --both-back: #e4ecc8;
    --c0: #2563c9; --c1: #d1651a; --c2: #15794a; --c3: #a33fb5; --c4: #b3851a; --c5: #5d6878;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  section { border: 0; border-top: 1px solid var(--rule); border-radius: 0; padding: 12px 0; }
  h2, h3 { break-after: avoid; }
  svg, table, .tile { break-inside: avoid; }
  .scroll { overflow: visible; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
