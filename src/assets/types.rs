//! What kind of content a file's name tells of, as the platform's tools have it.

use http::HeaderValue;

/// Where `mime_guess` says something else; nothing is said of names without a type. Sorted.
const TYPES: &[(&str, &str)] = &[
    ("aif", "audio/x-aiff"),
    ("aiff", "audio/x-aiff"),
    ("asc", "application/pgp-keys"),
    ("avci", "image/avci"),
    ("c", "text/x-c"),
    ("cc", "text/x-c"),
    ("cer", "application/pkix-cert"),
    ("cjs", "application/node"),
    ("class", "application/java-vm"),
    ("cpp", "text/x-c"),
    ("cur", ""),
    ("dds", "image/vnd.ms-dds"),
    ("dll", "application/octet-stream"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (
        "dotx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
    ),
    ("dtd", "application/xml-dtd"),
    ("ecma", "application/ecmascript"),
    ("exr", "image/aces"),
    ("flac", "audio/x-flac"),
    ("h", "text/x-c"),
    ("hdr", ""),
    ("hh", "text/x-c"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ipynb", "application/x-ipynb+json"),
    ("java", "text/x-java-source"),
    ("jfif", "image/pjpeg"),
    ("jsx", "text/jsx"),
    ("jxr", "image/jxr"),
    ("key", "application/vnd.apple.keynote"),
    ("ktx2", "image/ktx2"),
    ("lit", ""),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4p", "application/mp4"),
    ("m4s", "video/iso.segment"),
    ("manifest", "text/cache-manifest"),
    ("map", "application/json"),
    ("mdx", "text/mdx"),
    ("mid", "audio/midi"),
    ("midi", "audio/midi"),
    ("mjs", "text/javascript"),
    ("mts", "video/mp2t"),
    ("numbers", "application/vnd.apple.numbers"),
    ("obj", "model/obj"),
    ("otf", "font/otf"),
    ("pages", "application/vnd.apple.pages"),
    ("parquet", ""),
    ("pcx", "image/vnd.zbrush.pcx"),
    ("pfb", "application/x-font-type1"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("psd", "image/vnd.adobe.photoshop"),
    ("py", ""),
    ("rar", "application/vnd.rar"),
    ("raw", ""),
    ("rs", "application/rls-services+xml"),
    ("sql", "application/sql"),
    ("stl", "model/stl"),
    ("tgz", ""),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("ttml", "application/ttml+xml"),
    ("usdz", "model/vnd.usdz+zip"),
    ("woff", "font/woff"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("xml", "application/xml"),
    ("xsd", "application/xml"),
    ("xsl", "application/xml"),
    ("xslt", "application/xslt+xml"),
    ("yaml", "text/yaml"),
    ("yml", "text/yaml"),
];

/// The `Content-Type` of a file.
pub fn content_type(path: &str) -> Option<HeaderValue> {
    let name = path.rsplit('/').next().unwrap_or(path);
    // A file whose name is only an ending has none.
    let (stem, ending) = name.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    let own = TYPES.binary_search_by_key(&ending.as_str(), |(ending, _)| ending);
    let kind = match own {
        Ok(at) => TYPES[at].1.to_owned(),
        Err(_) if stem.is_empty() => return None,
        Err(_) => mime_guess::from_ext(&ending)
            .first()?
            .essence_str()
            .to_owned(),
    };
    let kind = match kind.strip_prefix("text/") {
        Some(_) => format!("{kind}; charset=utf-8"),
        None => kind,
    };
    HeaderValue::from_str(&kind)
        .ok()
        .filter(|kind| !kind.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_of_its_content() {
        assert!(TYPES.is_sorted());
        let check = |path: &str, expect: Option<&str>| {
            let found = content_type(path);
            let found = found.as_ref().map(|found| found.to_str().unwrap());
            assert_eq!(found, expect, "{path}");
        };
        check("/a.html", Some("text/html; charset=utf-8"));
        check("/a.MJS", Some("text/javascript; charset=utf-8"));
        check("/a.js.map", Some("application/json"));
        check("/a.ico", Some("image/vnd.microsoft.icon"));
        check("/a.png", Some("image/png"));
        check("/a.py", None);
        check("/a", None);
        check("/.hidden", None);
        check("/a.b/c", None);
    }
}
