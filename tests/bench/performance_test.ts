/** docs/performance.md is what its generator makes of what was measured, and of nothing else. */
import assert from "node:assert/strict";
import { bar, currentPerformance, formatted, performanceText } from "../../bench/performance.ts";
import type { AllKept } from "../../bench/results.ts";

const RESULTS: AllKept = {
  http: {
    date: "2026-03-01T23:59:00.000Z",
    command: "deno task bench --rounds 3",
    machine: { cpu: "Some CPU", cores: 2, memoryGiB: 4, system: "Linux 6 x64" },
    versions: { Deno: "2.9.6", Kafka: "4.3.1" },
    results: [{
      title: "one record a request",
      rows: [
        {
          name: "echo",
          command: "wrk http://SERVER/",
          ratio: 1,
          figures: {
            "requests/s": { median: 80_000, min: 79_000, max: 81_000, samples: [] },
            "p99 ms": { median: 1.234, min: 1, max: 2, samples: [] },
          },
        },
        {
          name: "ours | theirs",
          command: "wrk http://SERVER/topics/$TOPIC",
          ratio: 0.0123,
          figures: { "requests/s": { median: 40_000, min: 30_000, max: 45_000, samples: [] } },
        },
      ],
      missing: [{ name: "kcat", why: "it is not installed" }],
    }],
  },
};

const PROFILES = "First this.\n\n## Where the time goes\n\nLast that.\n";

const EXPECTED = `## HTTP
…
\`deno task bench --rounds 3\`, 1 March 2026; Some CPU, 2 cores, 4 GiB, Linux 6 x64; Deno 2.9.6, Kafka 4.3.1.

### One record a request

|                | requests/s |       min to max |                  | ratio |        p99 ms |
| -------------- | ---------: | ---------------: | ---------------- | ----: | ------------: |
| echo           |     80,000 | 79,000 to 81,000 | ████████████████ |  1.00 | 1.23 (1 to 2) |
| ours \\| theirs |     40,000 | 30,000 to 45,000 | ████████         | 0.012 |               |

kcat was left out: it is not installed.

<details><summary>Commands</summary>

\`\`\`sh
deno task bench --rounds 3

# echo
wrk http://SERVER/
# ours | theirs
wrk http://SERVER/topics/$TOPIC
\`\`\`

</details>

## Where the time goes

Last that.
`;

Deno.test("docs/performance.md is what bench/results.json and bench/profiles.md make it", async () => {
  const committed = await Deno.readTextFile(new URL("../../docs/performance.md", import.meta.url));
  assert.ok(committed === await currentPerformance(), "it is stale, or changed by hand: deno task bench report");
});

Deno.test("a report is told with conditions, figures, who was left out, and commands, between what is written by hand", async () => {
  const text = await formatted(performanceText(RESULTS, PROFILES));
  assert.match(text, /^# Performance\n\n<!-- .* -->\n\nFirst this\.\n\nFigures are /);
  const told = text.slice(text.indexOf("## HTTP")).replace(/(?<=^## HTTP\n)[\s\S]*?\n(?=`deno)/, "…\n");
  assert.equal(told, EXPECTED);
});

Deno.test("what was not measured has no section", () => {
  assert.doesNotMatch(performanceText(RESULTS, PROFILES), /^## (Produce|Consume|Latency)/m);
});

Deno.test("a bar is as long as its share, to an eighth of a character", () => {
  assert.deepEqual([1, 0.5, 1 / 128, 0].map(bar), ["█".repeat(16), "█".repeat(8), "▏", ""]);
});
