// What an older compatibility date brings back in deno's own classes. Their scripts ask here, where
// the platform's flags change them; `older.js` sets the fields when a runtime starts.

(function () {
const former = {
  __proto__: null,
  /** `dispatchEvent()` throws what a listener threw, and calls no further ones. */
  dispatchThrows: false,
  /** What listeners of the dispatch that runs threw, while `dispatchEvent()` is to throw it. */
  dispatch: null,
  /** `this` of listeners is the global scope. */
  listenersHaveNoTarget: false,
  /** Chunks that a text stream holds before it makes its writer wait. */
  textStreamRoom: 0,
  /** What a transformer enqueues does not make the writer wait. */
  transformsNeverFill: false,
  /** `ready` of a writer that was released stays as it is. */
  releasedWritersStayReady: false,
  /** A pipe whose destination fails while nothing is written ends without an error. */
  pipesEndWithDestination: false,
  /** What follows compressed data, and what is missing of it, is overlooked. */
  laxDecompression: false,
  /** Redirects keep `Authorization` on their way to another origin. */
  redirectsKeepAuthorization: false,
};
return { former };
})();
