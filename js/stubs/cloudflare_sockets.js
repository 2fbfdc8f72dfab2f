// The module `cloudflare:sockets`. Packages import it that may never connect.
(function () {
  function connect() {
    throw new Error("connect() is not implemented in Stead yet.");
  }
  return { connect };
})();
