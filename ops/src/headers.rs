//! Header lists between JavaScript (a flat array of strings, name and value in turn) and Rust.
//! What is not ASCII is UTF-8 on the wire, as on the platform.

use deno_core::v8;
use deno_error::JsErrorBox;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;

/// The headers as a flat array of names and values.
pub fn headers_to_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    headers: &HeaderMap,
) -> v8::Local<'s, v8::Array> {
    let mut list: Vec<v8::Local<v8::Value>> = Vec::with_capacity(headers.len() * 2);
    for (name, value) in headers {
        list.push(text(scope, name.as_str().as_bytes()).into());
        list.push(text(scope, value.as_bytes()).into());
    }
    v8::Array::new_with_elements(scope, &list)
}

/// Reads a flat array of names and values.
///
/// # Errors
/// A TypeError for a name or a value that HTTP cannot carry.
pub fn headers_from_js<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    list: v8::Local<'s, v8::Array>,
) -> Result<HeaderMap, JsErrorBox> {
    let mut headers = HeaderMap::with_capacity(list.length() as usize / 2);
    let mut bytes = Vec::new();
    for index in (0..list.length()).step_by(2) {
        utf8(scope, list, index, &mut bytes);
        let name = HeaderName::from_bytes(&bytes).map_err(|_| invalid(&bytes))?;
        utf8(scope, list, index + 1, &mut bytes);
        let value = HeaderValue::from_bytes(&bytes).map_err(|_| invalid(&bytes))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn invalid(bytes: &[u8]) -> JsErrorBox {
    JsErrorBox::type_error(format!(
        "`{}` cannot be sent in a header",
        String::from_utf8_lossy(bytes)
    ))
}

fn utf8<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    list: v8::Local<'s, v8::Array>,
    index: u32,
    bytes: &mut Vec<u8>,
) {
    bytes.clear();
    let Some(text) = list
        .get_index(scope, index)
        .and_then(|value| value.to_string(scope))
    else {
        return;
    };
    if text.is_onebyte() {
        bytes.resize(text.length(), 0);
        text.write_one_byte_v2(scope, 0, bytes, v8::WriteFlags::empty());
        if bytes.is_ascii() {
            return;
        }
    }
    *bytes = text.to_rust_string_lossy(scope).into_bytes();
}

fn text<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: &[u8]) -> v8::Local<'s, v8::String> {
    let text = if bytes.is_ascii() {
        v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal)
    } else {
        v8::String::new_from_utf8(scope, bytes, v8::NewStringType::Normal)
    };
    text.unwrap_or_else(|| v8::String::empty(scope))
}
