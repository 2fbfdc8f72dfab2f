// Every op, and every class that Rust implements. One interface per extension.

/** An object of Rust's, which JavaScript only passes on. */
interface Native<Name extends string> {
  readonly __native: Name;
}

type AlarmReply = Native<"AlarmReply">;
type Told = Native<"Told">;
type FacetHandle = Native<"FacetHandle">;
type IncomingCall = Native<"IncomingCall">;
type IncomingRequest = Native<"IncomingRequest">;
type KvListing = Native<"KvListing">;
type ObjectHandle = Native<"ObjectHandle">;
type Outcome = Native<"Outcome">;
type PairEnd = Native<"PairEnd">;
type PendingBlob = Native<"PendingBlob">;
type PendingBody = Native<"PendingBody">;
type PendingCall = Native<"PendingCall">;
type PendingFile = Native<"PendingFile">;
type FoundResponse = Native<"CachedResponse">;
type Keeping = Native<"Keeping">;
type PendingFetch = Native<"PendingFetch">;
type StubHandle = Native<"StubHandle">;
type SqlCursor = Native<"SqlCursor">;

/** A body on its way to Rust; a number is that of a resource. */
type NativeBody = null | string | Uint8Array | PendingBody | number;
/** Headers as names and values in turn. */
type FlatHeaders = string[];
/** What a socket receives: see `JsFrame` in websocket.rs. */
type SocketFrame = any;
/** The kind of an answer, then its parts: see `Answer` in stub.rs. */
type NativeAnswer = any[];

/** `ops/src/activity.rs` */
interface ActivityOps {
  op_object_active(object: ObjectHandle, lasts: boolean): void;
  op_object_inactive(object: ObjectHandle, lasts: boolean): boolean;
}

/** `ops/src/assets.rs` */
interface AssetsOps {
  op_assets_fetch(method: string, url: string, headers: FlatHeaders): PendingFile;
  /** Status, headers, bytes. */
  op_assets_answer(pending: PendingFile): Promise<[number, FlatHeaders, Uint8Array]>;
}

/** `ops/src/cache.rs` */
interface CacheOps {
  op_cache_find(cache: string | null, key: string): FoundResponse | null;
  op_cache_status(found: FoundResponse): number;
  op_cache_reason(status: number): string;
  op_cache_age(found: FoundResponse): number;
  op_cache_size(found: FoundResponse): number;
  op_cache_headers(found: FoundResponse): FlatHeaders;
  op_cache_body(found: FoundResponse, start: number, end: number): any;
  op_cache_bytes(found: FoundResponse, start: number, end: number): Uint8Array<ArrayBuffer>;
  op_cache_put(
    cache: string | null,
    key: string,
    status: number,
    headers: FlatHeaders,
    body: any,
    lifetimeMs: number,
  ): Keeping;
  op_cache_kept(keeping: Keeping): Promise<void>;
  op_cache_delete(cache: string | null, key: string): boolean;
}

/** `ops/src/console.rs` */
interface ConsoleOps {
  op_console_place(): string;
  op_console_print(object: ObjectHandle | null, text: string, method: string, place: string): void;
}

/** `ops/src/exception.rs` */
interface ExceptionOps {
  op_report_exception(object: ObjectHandle | null, rejection: boolean, exception: unknown): void;
}

/** `ops/src/digest.rs` */
interface DigestOps {
  op_crypto_timing_safe_equal(left: Uint8Array, right: Uint8Array): boolean;
  Digester: new (name: string) => {
    update(bytes: Uint8Array): void;
    finish(): ArrayBuffer;
  };
}

/** `ops/src/clone.rs` */
interface CloneOps {
  op_clone_setup(
    describe: (object: any) => any[],
    make: (parts: any[]) => object,
    refuse: (message: string) => never,
    brand: symbol,
  ): void;
  op_clone_write(value: unknown): Uint8Array;
  op_clone_read(bytes: Uint8Array): any;
}

/** `ops/src/sql.rs` */
interface SqlOps {
  op_sql_exec(handle: ObjectHandle, query: string, ...bindings: unknown[]): SqlCursor | number;
  op_sql_counts(handle: ObjectHandle, query: string, tally: number, written: boolean): number;
  op_sql_next(handle: ObjectHandle, cursor: SqlCursor): any[] | undefined;
  op_sql_rest(handle: ObjectHandle, cursor: SqlCursor): any[];
  op_sql_columns(cursor: SqlCursor): string[];
  op_sql_rows_read(cursor: SqlCursor): number;
  op_sql_rows_written(cursor: SqlCursor): number;
  op_sql_database_size(handle: ObjectHandle): number;
}

/** `ops/src/html.rs` */
interface HtmlOps {
  op_html_check_selector(selector: string): void;
  readonly Rewriter: new (encoding: string, handlers: object[]) => any;
}

/** `ops/src/kv.rs` */
interface KvOps {
  op_kv_get(handle: ObjectHandle, key: string): any;
  op_blob_bytes(parts: string[]): Uint8Array;
  op_kv_put(handle: ObjectHandle, key: string, value: unknown, unconfirmed: boolean): void;
  op_kv_put_many(handle: ObjectHandle, entries: [string, Uint8Array][], unconfirmed: boolean): void;
  op_kv_delete(handle: ObjectHandle, key: string, unconfirmed: boolean): boolean;
  op_kv_check_count(handle: ObjectHandle, count: number): void;
  op_kv_list(handle: ObjectHandle, options: KvListOptions): KvListing;
  op_kv_next(handle: ObjectHandle, listing: KvListing, names: string[] | undefined): any[] | undefined;
  op_kv_delete_all(handle: ObjectHandle, deleteAlarm: boolean): void;
}

interface KvListOptions {
  start: string | undefined;
  startAfter: string | undefined;
  end: string | undefined;
  prefix: string | undefined;
  reverse: boolean;
  limit: number | undefined;
}

/** `ops/src/transaction.rs` */
interface TransactionOps {
  op_transaction_begin(handle: ObjectHandle, asynchronous: boolean): number;
  op_transaction_commit(handle: ObjectHandle, depth: number): void;
  op_transaction_rollback(handle: ObjectHandle, depth: number): void;
  op_output_open(handle: ObjectHandle): boolean;
  op_output_wait(handle: ObjectHandle): Promise<void>;
  op_feed_begin(handle: ObjectHandle, rid: number): object;
  op_feed_end(feed: object): void;
  op_storage_synced(handle: ObjectHandle): boolean;
  op_storage_sync(handle: ObjectHandle): Promise<void>;
}

/** `ops/src/alarm.rs` */
interface AlarmOps {
  op_alarm_get(handle: ObjectHandle): number | null;
  op_alarm_set(handle: ObjectHandle, atMs: number, unconfirmed: boolean): void;
  op_alarm_delete(handle: ObjectHandle, unconfirmed: boolean): void;
  op_alarm_end(handle: ObjectHandle, reply: AlarmReply, thrown: string | null): void;
}

/** `ops/src/bookmark.rs` */
interface BookmarkOps {
  op_bookmark_current(handle: ObjectHandle): Promise<string>;
  op_bookmark_for_time(handle: ObjectHandle, timeMs: number): Promise<string>;
  op_bookmark_restore(handle: ObjectHandle, bookmark: string): Promise<string>;
}

/** `ops/src/gate.rs` */
interface GateOps {
  op_input_begin(handle: ObjectHandle): number;
  op_input_end(handle: ObjectHandle, section: number): void;
  op_object_reset(
    handle: ObjectHandle,
    message: string,
    overloaded: boolean,
    thrown: Uint8Array | null,
    retryAlarm: boolean,
  ): void;
  op_object_abort(handle: ObjectHandle, message: string, retryAlarm: boolean): void;
  op_object_is_broken(handle: ObjectHandle): boolean;
}

/** `ops/src/stub.rs` */
interface StubOps {
  op_id_from_name(namespace: number, jurisdiction: string | null, name: string): string;
  op_id_jurisdiction(namespace: number, id: string): string | null;
  op_id_unique(namespace: number, jurisdiction: string | null): string;
  op_id_parse(namespace: number, text: string): string;
  op_stub_fetch(
    caller: ObjectHandle | null,
    request: IncomingRequest | null,
    stub: StubHandle,
    method: string,
    url: string,
    headers: FlatHeaders,
    body: NativeBody,
    cf: string | null,
  ): PendingFetch;
  op_stub_fetch_answer(pending: PendingFetch): Promise<NativeAnswer>;
  op_body_take(body: PendingBody): number;
}

/** `ops/src/facet.rs` */
interface FacetOps {
  op_facet_check(parent: ObjectHandle, name: string): void;
  op_facet_find(parent: ObjectHandle, name: string): FacetHandle;
  op_facet_begin(facet: FacetHandle): boolean;
  op_callee_facet(facet: FacetHandle): StubHandle;
  op_facet_start(facet: FacetHandle, start: Uint8Array): void;
  op_facet_fail(facet: FacetHandle, thrown: Uint8Array): void;
  op_facet_abort(parent: ObjectHandle, name: string, thrown: Uint8Array): void;
  op_facet_delete(parent: ObjectHandle, name: string): void;
  op_facet_clone(parent: ObjectHandle, from: string, to: string): void;
}

/** `ops/src/callee.rs` */
interface CalleeOps {
  op_callee_object(namespace: number, id: string, name: string | null): StubHandle;
  op_callee_entrypoint(worker: number, name: string, props: Uint8Array | null): StubHandle;
  op_export_add(owner: ObjectHandle | null): StubHandle;
  op_export_number(stub: StubHandle): number;
  op_stub_dup(stub: StubHandle): StubHandle;
  op_stub_is(attachment: any): boolean;
  op_stub_drop(stub: StubHandle): void;
  op_stub_hold(holder: ObjectHandle, stub: StubHandle): void;
  op_stub_call(
    caller: ObjectHandle | null,
    request: IncomingRequest | null,
    stub: StubHandle,
    path: string | string[],
    args: Uint8Array | null,
    attachments: any[] | null,
  ): PendingCall;
  op_stub_pipeline(
    caller: ObjectHandle | null,
    of: PendingCall,
    path: string | string[],
    args: Uint8Array | null,
    attachments: any[] | null,
  ): PendingCall;
  op_stub_call_answer(pending: PendingCall): Promise<NativeAnswer>;
  op_pipeline_drop(pending: PendingCall): void;
}

/** `ops/src/attachment.rs` */
interface AttachmentOps {
  op_attachments_drop(attachments: any[]): void;
  op_blob_take(blob: PendingBlob): string[];
}

/** `ops/src/event.rs` */
interface EventOps {
  op_request_method(request: IncomingRequest): string;
  op_request_url(request: IncomingRequest): string;
  /** What the request says of itself to the platform, as JSON; empty if nothing. */
  op_request_cf(request: IncomingRequest): string;
  op_request_has_cf(request: IncomingRequest): boolean;
  op_request_headers(request: IncomingRequest): FlatHeaders;
  op_request_body(request: IncomingRequest): PendingBody | null;
  op_respond(
    request: IncomingRequest,
    status: number,
    statusText: string,
    headers: FlatHeaders,
    body: NativeBody,
    socket: PairEnd | null,
  ): void;
  op_respond_text(request: IncomingRequest, text: string): void;
  op_note_error(request: IncomingRequest, text: string): void;
  op_respond_error(request: IncomingRequest, thrown: Uint8Array): void;
  op_call_path(call: IncomingCall): string[];
  op_call_arguments(call: IncomingCall): Uint8Array | null | undefined;
  op_call_target(call: IncomingCall): number;
  op_call_attachments(call: IncomingCall): any[] | null;
  op_call_has_calls(call: IncomingCall): boolean;
  op_call_return(
    call: IncomingCall,
    result: Uint8Array,
    attachments: any[] | null,
    root: StubHandle | null,
  ): void;
  op_event_fail(native: any, thrown: Uint8Array): void;
  op_code_end(): void;
  op_isolate_abort(message: string): void;
  op_tcp_open(handle: ObjectHandle | null, host: string, port: number, secure: boolean): Promise<any>;
  op_tcp_pair(handle: ObjectHandle | null): [any, any];
  op_tcp_accept(handle: ObjectHandle | null, end: any): any;
  op_tcp_read(socket: any): Promise<Uint8Array | null>;
  op_tcp_read_stop(socket: any): void;
  op_tcp_write(socket: any, bytes: Uint8Array): Promise<void>;
  op_tcp_shutdown(socket: any): Promise<void>;
  op_tcp_secure(socket: any, host: string): Promise<any>;
  op_tcp_close(socket: any): void;
  op_call_refuse(call: IncomingCall): void;
  op_call_throw(call: IncomingCall, thrown: Uint8Array): void;
  op_report_error(object: ObjectHandle | null, error: string): void;
  op_outcome(outcome: Outcome, threw: boolean, text: string): void;
}

/** `ops/src/websocket.rs` */
interface WebSocketOps {
  op_socket_pair(): [PairEnd, PairEnd];
  op_socket_accept(end: PairEnd, handle: ObjectHandle | null): void;
  op_socket_next(end: PairEnd): Promise<SocketFrame | undefined>;
  op_socket_send(end: PairEnd, data: string | ArrayBufferLike | ArrayBufferView): void;
  op_socket_close(end: PairEnd, code: number, reason: string): void;
  op_socket_drop(end: PairEnd): void;
  op_socket_connect(
    url: string,
    protocols: string[],
    headers: FlatHeaders,
  ): Promise<[PairEnd, string]>;
  op_socket_attach(end: PairEnd, attachment: Uint8Array): void;
  op_socket_attachment(end: PairEnd): Uint8Array | null | undefined;
}

/** `ops/src/object_socket.rs` */
interface ObjectSocketOps {
  op_object_socket_accept(handle: ObjectHandle, end: PairEnd, tags: string[]): number;
  op_object_socket_list(handle: ObjectHandle, tag: string | null): number[];
  op_object_socket_tags(handle: ObjectHandle, number: number): string[];
  op_object_socket_close_sent(handle: ObjectHandle, number: number): boolean;
  op_object_socket_send(handle: ObjectHandle, number: number, data: string | ArrayBufferLike | ArrayBufferView): void;
  op_object_socket_close(handle: ObjectHandle, number: number, code: number, reason: string): void;
  op_object_socket_remove(handle: ObjectHandle, number: number): void;
  op_object_socket_attach(handle: ObjectHandle, number: number, attachment: Uint8Array): void;
  op_object_socket_attachment(handle: ObjectHandle, number: number): Uint8Array | null | undefined;
  op_object_socket_auto_set(handle: ObjectHandle, request: string, response: string, set: boolean): void;
  op_object_socket_auto_get(handle: ObjectHandle): [string, string] | null;
  op_object_socket_auto_time(handle: ObjectHandle, number: number): number | null;
  op_object_socket_timeout_set(handle: ObjectHandle, timeoutMs: number): void;
  op_object_socket_timeout_get(handle: ObjectHandle): number;
  op_object_socket_told(told: Told, thrown: string | null): void;
}

/** `ops/src/turn.rs`, and of deno_core. */
interface TurnOps {
  op_turn_is_watched(): boolean;
  op_turn_look(): void;
  op_turn_next(): boolean;
  op_timer_due(): boolean;
  op_run_microtasks(): void;
}

/** `ops/src/testing.rs` */
interface TestOps {
  op_test_ask(command: any): Promise<string>;
  op_test_tell(note: any): void;
  op_test_fetch(method: string, url: string, headers: FlatHeaders, body: NativeBody, cf: string | null): PendingFetch;
}

/** `ops/src/time.rs` */
interface TimeOps {
  /** The names of Node's modules, without `node:`. */
  op_node_modules(): string[];
  op_time_now(): number;
  op_time_elapsed(): number;
  op_time_next_timer(atMs: number): void;
}

/** Of deno_web. */
interface StreamResourceOps {
  op_readable_stream_resource_allocate(): number;
  op_readable_stream_resource_allocate_sized(length: number): number;
  op_readable_stream_resource_await_close(rid: number): Promise<void>;
  op_readable_stream_resource_close(sink: StreamSink): void;
  op_readable_stream_resource_get_sink(rid: number): StreamSink;
  op_readable_stream_resource_write_buf(sink: StreamSink, bytes: Uint8Array): Promise<boolean>;
  op_readable_stream_resource_write_error(sink: StreamSink, error: string): boolean;
  op_readable_stream_resource_write_sync(sink: StreamSink, bytes: Uint8Array): number;
}

type StreamSink = Native<"StreamSink">;

interface Ops
  extends
    ActivityOps,
    AlarmOps,
    AssetsOps,
    CacheOps,
    HtmlOps,
    BookmarkOps,
    AttachmentOps,
    CalleeOps,
    CloneOps,
    ConsoleOps,
    DigestOps,
    EventOps,
    ExceptionOps,
    FacetOps,
    GateOps,
    KvOps,
    ObjectSocketOps,
    SqlOps,
    StreamResourceOps,
    StubOps,
    TestOps,
    TimeOps,
    TransactionOps,
    TurnOps,
    WebSocketOps {}
