//! Values as bytes: V8's structured clone with the reference runtime's form for
//! errors, so that stored values can be read by either, and errors keep their
//! class, name and own properties between objects.
//!
//! A host object is written as its tag and then its parts:
//!
//! | tag | parts |
//! |---|---|
//! | 4 | Headers: guard, number of pairs; of each the number of its name, or 0 and the name, and its value |
//! | 5 | Request: URL, an object of what else `new Request()` takes |
//! | 6 | Response: body, which is null, an object of what else `new Response()` takes |
//! | 8 | DOMException: name, message and stack |
//! | 10 | error: kind, its name where the kind is 0, message, an object of its own properties |
//! | 15 | Blob: type, bytes |
//! | 65535 | in messages only: the place of an object that travels beside the bytes |
//!
//! Texts and bytes are a length and what follows; texts are UTF-8. What clone.js passes as a part is
//! written by its class: a number, a text, bytes, or an array with a value in it, which V8 clones.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::JsBuffer;
use deno_core::OpState;
use deno_core::convert::Uint8Array;
use deno_core::futures::FutureExt;
use deno_core::op2;
use deno_core::v8;
use deno_core::v8::ValueDeserializerHelper;
use deno_core::v8::ValueSerializerHelper;
use deno_error::JsErrorBox;
use deno_web::BlobStoreTrait;

deno_core::extension!(
    stead_clone,
    ops = [op_clone_setup, op_clone_write, op_clone_read, op_blob_bytes]
);

/// Tag of a DOMException without a stack, as older versions wrote it.
const TAG_DOM_EXCEPTION_V1: u32 = 7;
const TAG_DOM_EXCEPTION: u32 = 8;
const TAG_ERROR: u32 = 10;
const TAG_HEADERS: u32 = 4;
const TAG_REQUEST: u32 = 5;
const TAG_RESPONSE: u32 = 6;
const TAG_BLOB: u32 = 15;
/// Tag of an object that travels beside the bytes. It is never stored.
const TAG_HOST: u32 = 0xffff;
/// The kind of an error whose class is none of the language's own.
const KIND_OTHER: u32 = 0;

/// The functions of clone.js that take host objects apart and make them.
struct Hosts {
    /// An error or DOMException to an array: the tag, then its parts.
    describe: v8::Global<v8::Function>,
    /// The same array to the object.
    make: v8::Global<v8::Function>,
    /// Throws a DataCloneError with a text.
    refuse: v8::Global<v8::Function>,
    /// The key under which deno_web marks objects that it can clone.
    brand: v8::Global<v8::Symbol>,
}

#[op2(fast)]
fn op_clone_setup<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    describe: v8::Local<'s, v8::Function>,
    make: v8::Local<'s, v8::Function>,
    refuse: v8::Local<'s, v8::Function>,
    brand: v8::Local<'s, v8::Symbol>,
) {
    state.put(Rc::new(Hosts {
        describe: v8::Global::new(scope, describe),
        make: v8::Global::new(scope, make),
        refuse: v8::Global::new(scope, refuse),
        brand: v8::Global::new(scope, brand),
    }));
}

/// Clones a value. Reentrant: reading properties may run user code.
#[op2(reentrant)]
fn op_clone_write<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    value: v8::Local<'s, v8::Value>,
) -> Result<Uint8Array, JsErrorBox> {
    // Nobody sees an empty result: the exception takes its place.
    Ok(write(scope, &state, value)?.unwrap_or_default().into())
}

/// Makes the value that bytes stand for. Reentrant: errors are made by clone.js.
#[op2(reentrant)]
fn op_clone_read<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[buffer] bytes: JsBuffer,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    read(scope, &state, &bytes)
}

/// The bytes of a value; `None` when an exception is pending. Runs user code where
/// the value has getters.
///
/// # Errors
/// `TypeError` when V8 refuses without an exception.
pub(crate) fn write<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &Rc<RefCell<OpState>>,
    value: v8::Local<'s, v8::Value>,
) -> Result<Option<Vec<u8>>, JsErrorBox> {
    let hosts = state.borrow().borrow::<Rc<Hosts>>().clone();
    v8::tc_scope!(let scope, scope);
    let serializer = v8::ValueSerializer::new(scope, Box::new(Delegate(hosts)));
    serializer.write_header();
    let written = serializer.write_value(scope.get_current_context(), value);
    if scope.has_caught() {
        scope.rethrow();
        return Ok(None);
    }
    match written {
        Some(true) => Ok(Some(serializer.release())),
        _ => Err(JsErrorBox::type_error("the value cannot be cloned")),
    }
}

/// The value that bytes stand for.
///
/// # Errors
/// `RangeError` when the bytes are no value.
pub(crate) fn read<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &Rc<RefCell<OpState>>,
    bytes: &[u8],
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let hosts = state.borrow().borrow::<Rc<Hosts>>().clone();
    let context = scope.get_current_context();
    let deserializer = v8::ValueDeserializer::new(scope, Box::new(Delegate(hosts)), bytes);
    let unreadable = || JsErrorBox::range_error("the stored value cannot be read");
    if deserializer.read_header(context) != Some(true) {
        return Err(unreadable());
    }
    deserializer.read_value(context).ok_or_else(unreadable)
}

struct Delegate(Rc<Hosts>);

impl v8::ValueSerializerImpl for Delegate {
    fn throw_data_clone_error<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        message: v8::Local<'s, v8::String>,
    ) {
        let refuse = v8::Local::new(scope, &self.0.refuse);
        let receiver = v8::undefined(scope).into();
        // It throws, which is what it is called for.
        let _ = refuse.call(scope, receiver, &[message.into()]);
    }

    fn has_custom_host_object(&self, _isolate: &v8::Isolate) -> bool {
        true
    }

    fn is_host_object<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        object: v8::Local<'s, v8::Object>,
    ) -> Option<bool> {
        if object.is_native_error() {
            return Some(true);
        }
        let brand = v8::Local::new(scope, &self.0.brand);
        object.has(scope, brand.into())
    }

    fn write_host_object<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        object: v8::Local<'s, v8::Object>,
        serializer: &dyn ValueSerializerHelper,
    ) -> Option<bool> {
        let describe = v8::Local::new(scope, &self.0.describe);
        let receiver = v8::undefined(scope).into();
        let parts = describe.call(scope, receiver, &[object.into()])?;
        let parts = v8::Local::<v8::Array>::try_from(parts).ok()?;
        let tag = parts.get_index(scope, 0)?.uint32_value(scope)?;
        serializer.write_uint32(tag);
        for index in 1..parts.length() {
            let part = parts.get_index(scope, index)?;
            write_part(scope, serializer, part)?;
        }
        Some(true)
    }
}

impl v8::ValueDeserializerImpl for Delegate {
    fn read_host_object<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        deserializer: &dyn ValueDeserializerHelper,
    ) -> Option<v8::Local<'s, v8::Object>> {
        let mut tag = 0;
        deserializer.read_uint32(&mut tag).then_some(())?;
        let mut parts = vec![v8::Integer::new_from_unsigned(scope, tag).into()];
        match tag {
            TAG_ERROR => read_error(scope, deserializer, &mut parts)?,
            TAG_HEADERS => read_headers(scope, deserializer, &mut parts)?,
            TAG_REQUEST => {
                read_texts(scope, deserializer, 1, &mut parts)?;
                parts.push(deserializer.read_value(scope.get_current_context())?);
            }
            TAG_RESPONSE => {
                let context = scope.get_current_context();
                parts.push(deserializer.read_value(context)?);
                parts.push(deserializer.read_value(context)?);
            }
            TAG_BLOB => {
                read_texts(scope, deserializer, 1, &mut parts)?;
                let mut length = 0;
                deserializer.read_uint32(&mut length).then_some(())?;
                let bytes = deserializer.read_raw_bytes(length as usize)?.to_vec();
                let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes).make_shared();
                parts.push(v8::ArrayBuffer::with_backing_store(scope, &store).into());
            }
            TAG_DOM_EXCEPTION => read_texts(scope, deserializer, 3, &mut parts)?,
            TAG_DOM_EXCEPTION_V1 => read_texts(scope, deserializer, 2, &mut parts)?,
            TAG_HOST => {
                let mut place = 0;
                deserializer.read_uint32(&mut place).then_some(())?;
                parts.push(v8::Integer::new_from_unsigned(scope, place).into());
            }
            // clone.js says that it does not know the tag.
            _ => {}
        }
        let parts = v8::Array::new_with_elements(scope, &parts);
        let make = v8::Local::new(scope, &self.0.make);
        let receiver = v8::undefined(scope).into();
        let scope = std::pin::pin!(v8::AllowJavascriptExecutionScope::new(scope));
        let scope = &mut scope.init();
        let made = make.call(scope, receiver, &[parts.into()])?;
        made.to_object(scope)
    }
}

/// Writes a part of a host object in the form that its class stands for.
fn write_part<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    serializer: &dyn ValueSerializerHelper,
    part: v8::Local<'s, v8::Value>,
) -> Option<()> {
    if let Ok(holder) = v8::Local::<v8::Array>::try_from(part) {
        let value = holder.get_index(scope, 0)?;
        serializer.write_value(scope.get_current_context(), value)?;
    } else if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(part) {
        let mut bytes = vec![0; view.byte_length()];
        view.copy_contents(&mut bytes);
        serializer.write_uint32(bytes.len() as u32);
        serializer.write_raw_bytes(&bytes);
    } else if part.is_number() {
        serializer.write_uint32(part.uint32_value(scope)?);
    } else {
        let text = part.to_rust_string_lossy(scope);
        serializer.write_uint32(text.len() as u32);
        serializer.write_raw_bytes(text.as_bytes());
    }
    Some(())
}

/// Reads the guard of headers and their pairs: number or name, then value.
fn read_headers<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    deserializer: &dyn ValueDeserializerHelper,
    parts: &mut Vec<v8::Local<'s, v8::Value>>,
) -> Option<()> {
    let (mut guard, mut count) = (0, 0);
    deserializer.read_uint32(&mut guard).then_some(())?;
    deserializer.read_uint32(&mut count).then_some(())?;
    parts.push(v8::Integer::new_from_unsigned(scope, guard).into());
    for _ in 0..count {
        let mut number = 0;
        deserializer.read_uint32(&mut number).then_some(())?;
        if number == 0 {
            read_texts(scope, deserializer, 2, parts)?;
        } else {
            parts.push(v8::Integer::new_from_unsigned(scope, number).into());
            read_texts(scope, deserializer, 1, parts)?;
        }
    }
    Some(())
}

/// The bytes of a blob's parts, which deno_web keeps in memory.
#[op2]
fn op_blob_bytes(
    state: &mut OpState,
    #[serde] parts: Vec<String>,
) -> Result<Uint8Array, JsErrorBox> {
    let store = state.borrow::<Arc<dyn BlobStoreTrait>>().clone();
    let mut bytes = Vec::new();
    for id in parts {
        let id = uuid::Uuid::parse_str(&id);
        let id = id.map_err(|error| JsErrorBox::type_error(error.to_string()))?;
        let part = store.get_part(&id);
        let part = part.ok_or_else(|| JsErrorBox::type_error("Blob part not found"))?;
        let read = part.read().now_or_never();
        bytes.extend_from_slice(read.expect("a part in memory is read at once"));
    }
    Ok(bytes.into())
}

/// Reads an error's kind, name, message and own properties.
fn read_error<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    deserializer: &dyn ValueDeserializerHelper,
    parts: &mut Vec<v8::Local<'s, v8::Value>>,
) -> Option<()> {
    let mut kind = 0;
    deserializer.read_uint32(&mut kind).then_some(())?;
    parts.push(v8::Integer::new_from_unsigned(scope, kind).into());
    let context = scope.get_current_context();
    parts.push(if kind == KIND_OTHER {
        deserializer.read_value(context)?
    } else {
        v8::undefined(scope).into()
    });
    parts.push(deserializer.read_value(context)?);
    parts.push(deserializer.read_value(context)?);
    Some(())
}

/// Reads texts, each a length and UTF-8 bytes.
fn read_texts<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    deserializer: &dyn ValueDeserializerHelper,
    count: usize,
    parts: &mut Vec<v8::Local<'s, v8::Value>>,
) -> Option<()> {
    for _ in 0..count {
        let mut length = 0;
        deserializer.read_uint32(&mut length).then_some(())?;
        let bytes = deserializer.read_raw_bytes(length as usize)?;
        parts.push(v8::String::new_from_utf8(scope, bytes, v8::NewStringType::Normal)?.into());
    }
    Some(())
}
