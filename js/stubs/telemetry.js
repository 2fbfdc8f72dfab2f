// Stands in for deno_telemetry. deno_fetch looks only at TRACING_ENABLED as long as it is false.

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
  exitSpan: absent,
};

return internals.__telemetry;
})();
