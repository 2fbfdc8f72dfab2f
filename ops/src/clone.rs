//! Values as bytes: V8's structured clone with the reference runtime's form for
//! errors, so that stored values can be read by either, and errors keep their
//! class, name and own properties between objects.
//!
//! A host object is written as its tag and then its parts:
//!
//! | tag | parts |
//! |---|---|
//! | 8 | DOMException: name, message and stack, each a length and UTF-8 bytes |
//! | 65535 | in messages only: the place of an object that travels beside the bytes |
//! | 10 | error: kind, its name where the kind is 0, message, an object of its own properties |

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::JsBuffer;
use deno_core::OpState;
use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_core::v8;
use deno_core::v8::ValueDeserializerHelper;
use deno_core::v8::ValueSerializerHelper;
use deno_error::JsErrorBox;

deno_core::extension!(
    stead_clone,
    ops = [op_clone_setup, op_clone_write, op_clone_read]
);

/// Tag of a DOMException without a stack, as older versions wrote it.
const TAG_DOM_EXCEPTION_V1: u32 = 7;
const TAG_DOM_EXCEPTION: u32 = 8;
const TAG_ERROR: u32 = 10;
/// Tag of an object that travels beside the bytes. It is never stored.
const TAG_HOST: u32 = 0xffff;
/// The kind of an error whose class is none of the language's own.
const KIND_OTHER: u32 = 0;

/// The functions of clone.js that take host objects apart and make them.
#[derive(Clone)]
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
    state.put(Hosts {
        describe: v8::Global::new(scope, describe),
        make: v8::Global::new(scope, make),
        refuse: v8::Global::new(scope, refuse),
        brand: v8::Global::new(scope, brand),
    });
}

/// Clones a value. Reentrant: reading properties may run user code.
#[op2(reentrant)]
fn op_clone_write<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    value: v8::Local<'s, v8::Value>,
) -> Result<Uint8Array, JsErrorBox> {
    let hosts = state.borrow().borrow::<Hosts>().clone();
    v8::tc_scope!(let scope, scope);
    let serializer = v8::ValueSerializer::new(scope, Box::new(Delegate(hosts)));
    serializer.write_header();
    let written = serializer.write_value(scope.get_current_context(), value);
    if scope.has_caught() {
        scope.rethrow();
        // Nobody sees it: the exception takes its place.
        return Ok(Vec::new().into());
    }
    match written {
        Some(true) => Ok(serializer.release().into()),
        _ => Err(JsErrorBox::type_error("the value cannot be cloned")),
    }
}

/// Makes the value that bytes stand for. Reentrant: errors are made by clone.js.
#[op2(reentrant)]
fn op_clone_read<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: Rc<RefCell<OpState>>,
    #[buffer] bytes: JsBuffer,
) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
    let hosts = state.borrow().borrow::<Hosts>().clone();
    let context = scope.get_current_context();
    let deserializer = v8::ValueDeserializer::new(scope, Box::new(Delegate(hosts)), &bytes);
    let unreadable = || JsErrorBox::range_error("the stored value cannot be read");
    if deserializer.read_header(context) != Some(true) {
        return Err(unreadable());
    }
    deserializer.read_value(context).ok_or_else(unreadable)
}

struct Delegate(Hosts);

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
        if tag == TAG_HOST {
            let place = parts.get_index(scope, 1)?.uint32_value(scope)?;
            serializer.write_uint32(place);
            return Some(true);
        }
        if tag != TAG_ERROR {
            for index in 1..parts.length() {
                let text = parts.get_index(scope, index)?.to_rust_string_lossy(scope);
                serializer.write_uint32(text.len() as u32);
                serializer.write_raw_bytes(text.as_bytes());
            }
            return Some(true);
        }
        let kind = parts.get_index(scope, 1)?.uint32_value(scope)?;
        serializer.write_uint32(kind);
        let context = scope.get_current_context();
        for index in if kind == KIND_OTHER { 2 } else { 3 }..parts.length() {
            let part = parts.get_index(scope, index)?;
            serializer.write_value(context, part)?;
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
