// What deno_fetch knows of a request, as a class. deno_fetch makes an object with accessors of its
// own for each request, which V8 keeps as a dictionary: that took as long as reading the request.

(function () {
/** See `InnerRequest` in deno_fetch's 23_request.js, whose other members are set when they are given. */
class InnerRequest {
  /**
   * @param {string | (() => string)} method
   * @param {string | (() => string)} url
   * @param {() => [string, string][]} headerList
   * @param {any} body
   */
  constructor(method, url, headerList, body) {
    this.methodInner = method;
    this.headerListInner = null;
    this.readHeaders = headerList;
    this.body = body;
    this.redirectMode = "follow";
    this.redirectCount = 0;
    this.urlList = [typeof url === "string" ? () => url : url];
    this.urlListProcessed = typeof url === "string" ? [url] : [];
    this.clientRid = null;
    // No URLs lead to blobs here.
    this.blobUrlEntry = null;
  }

  get method() {
    if (typeof this.methodInner === "function") this.methodInner = this.methodInner();
    return this.methodInner;
  }

  set method(value) {
    this.methodInner = value;
  }

  get headerList() {
    return this.headerListInner ??= this.readHeaders();
  }

  set headerList(value) {
    this.headerListInner = value;
  }

  /** The URL that was asked for. */
  url() {
    return this.urlListProcessed[0] ??= this.urlList[0]();
  }

  /** Where redirects have led. */
  currentUrl() {
    const last = this.urlList.length - 1;
    return this.urlListProcessed[last] ??= this.urlList[last]();
  }
}

return { InnerRequest };
})();
