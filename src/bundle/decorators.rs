//! Lowers what neither V8 nor rolldown understands: standard (TC39) decorators and `accessor` fields.
//!
//! rolldown lowers only TypeScript's experimental decorators and would pass the standard ones on to
//! V8, which has no parser for them. swc (deno_ast) lowers them, at the price of a second parse, so
//! only files that contain them come here.

use std::path::Path;

use deno_ast::DecoratorsTranspileOption;
use deno_ast::EmitOptions;
use deno_ast::ProgramRef;
use deno_ast::SourceMapOption;
use deno_ast::StartSourcePos;
use deno_ast::TranspileModuleOptions;
use deno_ast::TranspileOptions;
use deno_ast::swc::ast::AutoAccessor;
use deno_ast::swc::ast::Decorator;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitWith;

use super::syntax;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

/// A file after lowering.
pub(super) struct Lowered {
    pub code: String,
    /// Source map to the file as written, JSON.
    pub source_map: String,
}

/// Lowers the decorators of `source`; `None` if it has none.
///
/// Type annotations go as well, because swc lowers classes only after removing types.
pub(super) fn lower(
    file: &Path,
    source: &str,
    verbatim_module_syntax: bool,
) -> Result<Option<Lowered>, Diagnostic> {
    if !may_have_decorators(source) {
        return Ok(None);
    }
    let parsed = syntax::parse(file, source).map_err(|problem| {
        let offset = problem.range().start - StartSourcePos::START_SOURCE_POS;
        let length = problem.range().end - problem.range().start;
        Diagnostic::new(problem.kind().msg().to_string())
            .at(Location::from_offset(file, source, offset, length), source)
    })?;
    let mut finder = Finder { found: false };
    match parsed.program_ref() {
        ProgramRef::Module(module) => module.visit_with(&mut finder),
        ProgramRef::Script(script) => script.visit_with(&mut finder),
    }
    if !finder.found {
        return Ok(None);
    }
    let emitted = parsed
        .transpile(
            &TranspileOptions {
                decorators: DecoratorsTranspileOption::Ecma,
                verbatim_module_syntax,
                // rolldown transforms JSX, here as everywhere else.
                jsx: None,
                ..TranspileOptions::default()
            },
            &TranspileModuleOptions::default(),
            &EmitOptions {
                source_map: SourceMapOption::Separate,
                inline_sources: true,
                ..EmitOptions::default()
            },
        )
        .map_err(|error| {
            Diagnostic::new(format!(
                "cannot lower the decorators of `{}`",
                file.display()
            ))
            .with_help(error.to_string())
        })?
        .into_source();
    Ok(Some(Lowered {
        code: emitted.text,
        source_map: emitted.source_map.unwrap_or_default(),
    }))
}

struct Finder {
    found: bool,
}

impl Visit for Finder {
    fn visit_decorator(&mut self, _: &Decorator) {
        self.found = true;
    }

    fn visit_auto_accessor(&mut self, _: &AutoAccessor) {
        self.found = true;
    }
}

/// Cheap and never wrong when it says no. An `@` in a comment, in a string such as `"@scope/name"`
/// or inside a word is common; only an `@` where a decorator could stand is worth a parse.
fn may_have_decorators(source: &str) -> bool {
    if source.contains("accessor ") {
        return true;
    }
    let bytes = source.as_bytes();
    source.match_indices('@').any(|(at, _)| {
        let starts_name = bytes.get(at + 1).is_some_and(|&next| {
            next.is_ascii_alphabetic() || matches!(next, b'_' | b'$' | b'(' | b'\\') || next >= 0x80
        });
        let follows_word = at > 0
            && (bytes[at - 1].is_ascii_alphanumeric()
                || matches!(bytes[at - 1], b'_' | b'$' | b'"' | b'\'' | b'`'));
        starts_name && !follows_word && !in_comment_line(source, at)
    })
}

/// Whether the line up to `at` opens a comment, or continues one in the usual ` * @param` layout.
fn in_comment_line(source: &str, at: usize) -> bool {
    let line_start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let lead = source[line_start..at].trim_start();
    if lead.contains("*/") {
        return false;
    }
    lead.starts_with("//") || lead.starts_with("/*") || lead.starts_with("* ") || lead == "*"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expect: bool) {
        assert_eq!(may_have_decorators(source), expect, "{source:?}");
    }

    #[test]
    fn only_an_at_sign_where_a_decorator_could_stand_counts() {
        check("@callable() class A {}", true);
        check("class A {\n  @callable()\n  f() {} }", true);
        check("export default @(x.y) class {}", true);
        check("/** doc */ @callable() class A {}", true);
        check("class A { accessor x = 1 }", true);
        check("import x from '@scope/name'", false);
        check("/**\n * @param x\n */\nfunction f(x) {}", false);
        check("/** @type {string} */", false);
        check("// see @someone", false);
        check("const mail = 'a@b.c'", false);
    }
}
