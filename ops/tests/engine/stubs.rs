//! Messages with stubs, whose bytes or attachments are damaged: reading one gives a value or an exception, and
//! afterwards nobody holds what it exported.
//!
//! `STEAD_FUZZ_SECONDS=300 cargo test --release -p stead-ops --test engine damaged_messages_with_stubs -- --nocapture`
//! goes on for so long, with one seed after the other.

use std::time::Duration;
use std::time::Instant;

use crate::fixture::DAMAGE_BYTES;
use crate::fixture::random_numbers;
use crate::fixture::run_on_host;

/// Messages that are damaged and read in one run.
const ROUNDS: u32 = 5_000;

/// Writes, damages and reads messages. Whole ones have to give what was written.
fn exchange(seed: u32) -> String {
    let random = random_numbers(seed);
    format!(
        r#"
import {{ dropAttachments, fromMessage, RpcTarget, serializeThrown, toMessage }} from "ext:stead/message.js";
import {{ exportedValue }} from "ext:stead/exported.js";
import {{ enterContext }} from "ext:stead/context.js";
import {{ WorkerEvent }} from "ext:stead/worker_event.js";
import "ext:stead/dispatch.js";
import {{ core }} from "ext:core/mod.js";
const {{ op_export_number }} = core.ops;

{random}
{DAMAGE_BYTES}

class Target extends RpcTarget {{}}

// A value of any shape, with what can be called in it.
let callables;
function callable() {{
  const value = random(2) ? () => {{}} : new Target();
  callables.push(value);
  return value;
}}
function anything(depth) {{
  switch (random(depth > 3 ? 6 : 10)) {{
    case 0: return random(2 ** 31);
    case 1: return "text ".repeat(random(30));
    case 2: return new Uint8Array(random(40));
    case 3: return new Headers({{ a: "b" }});
    case 4: case 5: return callable();
    case 6: return Array.from({{ length: random(5) }}, () => anything(depth + 1));
    case 7: return {{ a: anything(depth + 1), b: anything(depth + 1) }};
    case 8: return new Error("error", {{ cause: random(9) }});
    default: return [new Date(5), null, undefined, 3n, anything(depth + 1)];
  }}
}}

function damageList(list) {{
  const at = random(list.length);
  switch (random(5)) {{
    case 0: dropAttachments(list.splice(at, 1)); break;
    case 1: dropAttachments(list.splice(at)); break;
    case 2: list.reverse(); break;
    case 3: list.splice(at, 0, [null, "text", new Uint8Array(3), {{}}, ["id"]][random(5)]); break;
    case 4: list.push(list[at]);
  }}
}}

// What came of a value: stubs are counted, everything else is compared.
function shape(value) {{
  if (typeof value === "function" || value instanceof Target) return "callable";
  if (typeof value !== "object" || value === null) return `${{typeof value}} ${{value}}`;
  if (value instanceof Error) return `${{value}} ${{value.cause}}`;
  if (value instanceof Headers) return JSON.stringify([...value]);
  if (value instanceof Date || ArrayBuffer.isView(value)) return `${{value.constructor.name}} ${{Number(value)}} ${{value.length}}`;
  if (Object.getPrototypeOf(value)?.constructor?.name === "JsRpcStub") return "callable";
  return `{{${{Object.keys(value).map((key) => `${{key}}: ${{shape(value[key])}}`).join()}}}}`;
}}

let whole = 0, read = 0, refused = 0, wrong = 0, last = new Uint8Array([255, 15]);
function round() {{
  callables = [];
  const value = anything(0);
  const {{ bytes, attachments }} = toMessage(value);
  const numbers = (attachments ?? []).map((stub) => op_export_number(stub));
  wrong += numbers.filter((number) => !callables.includes(exportedValue(number)?.value)).length;
  const other = last;
  last = bytes;
  const isDamaged = random(4) > 0;
  const list = attachments === null ? null : [...attachments];
  if (isDamaged && list !== null && random(2)) damageList(list);
  const given = isDamaged && random(3) ? damageBytes(bytes, other, 4) : bytes;
  const received = [];
  try {{
    const found = fromMessage(given, list, received);
    read++;
    if (!isDamaged) {{
      whole++;
      if (shape(found) !== shape(value) || received.length !== new Set(callables).size) wrong++;
    }}
    for (const stub of received) stub[Symbol.dispose]();
    // What damaged bytes do not speak of.
    dropAttachments(list);
  }} catch (error) {{
    refused++;
    if (!isDamaged || received.length > 0) wrong++;
  }}
}}

for (let i = 0; i < {ROUNDS}; i++) {{
  const event = new WorkerEvent(null, false);
  enterContext(event, round);
  event.release();
}}
console.log("whole, read and refused:", whole > 0 && read > whole && refused > 0 && read + refused === {ROUNDS});
console.log("wrong:", wrong);
"#
    )
}

#[track_caller]
fn check(seed: u32) {
    println!("STEAD_SEED={seed}");
    let (outcome, exported, released) = run_on_host(&exchange(seed));
    let lines: Vec<&str> = outcome.lines.iter().map(String::as_str).collect();
    assert_eq!(
        lines,
        ["Log: whole, read and refused: true", "Log: wrong: 0"],
        "{outcome:?}"
    );
    assert!(exported > 0);
    assert_eq!(released, exported, "somebody still holds an exported value");
}

#[test]
fn damaged_messages_with_stubs_are_read_or_refused_and_let_go_of() {
    if let Ok(seed) = std::env::var("STEAD_SEED") {
        return check(seed.parse().expect("STEAD_SEED is a number"));
    }
    let seconds = std::env::var("STEAD_FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(0, |seconds| seconds.parse().expect("a number of seconds"));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seeds = 1..;
    for seed in seeds.by_ref() {
        check(seed);
        if seed >= 3 && Instant::now() >= end {
            break;
        }
    }
    println!("{} messages", (seeds.start - 1) * ROUNDS);
}
