// Stands in for deno_telemetry's helpers. None is called while tracing is off.

(function () {
const { internals } = __bootstrap;

const absent = () => {
  throw new Error("tracing is not supported");
};

internals.__telemetryUtil = {
  __proto__: null,
  updateSpanFromClientResponse: absent,
  updateSpanFromError: absent,
  updateSpanFromRequest: absent,
};

return internals.__telemetryUtil;
})();
