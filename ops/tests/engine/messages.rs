//! Messages whose bytes are damaged: reading one gives a value or an exception.

use crate::fixture::DAMAGE_BYTES;
use crate::fixture::random_numbers;
use crate::fixture::run_internal;

/// Messages that are damaged and read in one run.
const ROUNDS: u32 = 20_000;

/// Writes messages of every kind, damages their bytes, and reads them.
fn damage_messages(seed: u32) -> String {
    let random = random_numbers(seed);
    format!(
        r#"
import {{ fromMessage, serializeThrown, toMessage }} from "ext:stead/message.js";
import "ext:stead/dispatch.js";

{random}
{DAMAGE_BYTES}

const cycle = {{ list: [1, "two", 3n] }};
cycle.self = cycle;
const values = [
  undefined, null, true, 1.5, -0, 10n ** 40n, "text \u{{1f980}}", [], [1, , 3], {{ a: {{ b: [null] }} }}, cycle,
  new Date(5), /a+/gi, new Map([[1, new Set(["x"])]]), new Uint8Array([1, 2, 3]), new Float64Array([1.5]).buffer,
  new RangeError("error", {{ cause: new TypeError("cause") }}), Object.assign(new Error("own"), {{ code: 7, deep: {{ a: [1] }} }}),
  new AggregateError([new Error("one")], "several"), new DOMException("stopped", "AbortError"),
  new Headers({{ a: "1" }}), [new Response("body", {{ status: 201 }}), new Request("http://a/", {{ method: "POST", body: "b" }})],
  new Blob(["blob"]), {{ a: new Headers(), b: [new Response(null)] }},
];
const messages = values.map((value) => toMessage(value).bytes);
for (const thrown of ["text", {{ code: 1 }}, new RangeError("thrown")]) messages.push(serializeThrown(thrown, "object"));

const pick = () => messages[random(messages.length)];
let read = 0, refused = 0;
for (let round = 0; round < {ROUNDS}; round++) {{
  const bytes = damageBytes(pick(), pick(), 6);
  try {{
    fromMessage(bytes, random(2) ? null : [null, "text", new Uint8Array(3), {{}}], []);
    read++;
  }} catch {{
    refused++;
  }}
}}
console.log("read and refused:", read > 0 && refused > 0 && read + refused === {ROUNDS});
for (let i = 0; i < values.length; i++) {{
  if (!(values[i] instanceof Object) || messages[i][0] === 255) fromMessage(messages[i], null);
}}
console.log("whole messages are read");
"#
    )
}

#[test]
fn damaged_messages_are_read_or_refused() {
    let seeds = match std::env::var("STEAD_SEED") {
        Ok(seed) => vec![seed.parse().expect("STEAD_SEED is a number")],
        Err(_) => vec![1, 2, 3],
    };
    for seed in seeds {
        println!("STEAD_SEED={seed}");
        let outcome = run_internal(&damage_messages(seed));
        let lines: Vec<&str> = outcome.lines.iter().map(String::as_str).collect();
        assert_eq!(
            lines,
            [
                "Log: read and refused: true",
                "Log: whole messages are read"
            ],
            "{outcome:?}"
        );
    }
}
