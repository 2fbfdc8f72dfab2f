// Stands in for deno_telemetry, with tracing off: deno_fetch then starts no span, but still
// leaves the one it did not enter.

(function () {
const { internals } = __bootstrap;

const absent = () => {
  throw new Error("tracing is not supported");
};

internals.__telemetry = {
  __proto__: null,
  TRACING_ENABLED: false,
  PROPAGATORS: [],
  ContextManager: { active: absent },
  DID_NOT_ENTER: Symbol("did not enter"),
  builtinTracer: absent,
  enterSpan: absent,
  exitSpan() {},
};

return internals.__telemetry;
})();
