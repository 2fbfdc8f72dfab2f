// Stands in for deno_net's TLS script. deno_fetch loads it for the client certificates of
// Deno.createHttpClient, which a Worker cannot reach.

(function () {
function loadTlsKeyPair() {
  throw new Error("client certificates are not supported");
}

return { loadTlsKeyPair };
})();
