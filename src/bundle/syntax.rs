//! Questions about one source file that need its syntax tree: where a name is exported, where a
//! module is imported. Asked only when there is something to report, so it may take its time.

use std::ops::Range;
use std::path::Path;

use deno_ast::MediaType;
use deno_ast::ParseDiagnostic;
use deno_ast::ParseParams;
use deno_ast::ParsedSource;
use deno_ast::SourceRangedForSpanned;
use deno_ast::StartSourcePos;
use deno_ast::swc::ast::CallExpr;
use deno_ast::swc::ast::Callee;
use deno_ast::swc::ast::Decl;
use deno_ast::swc::ast::DefaultDecl;
use deno_ast::swc::ast::ExportAll;
use deno_ast::swc::ast::ExportSpecifier;
use deno_ast::swc::ast::Expr;
use deno_ast::swc::ast::Ident;
use deno_ast::swc::ast::ImportDecl;
use deno_ast::swc::ast::Lit;
use deno_ast::swc::ast::ModuleDecl;
use deno_ast::swc::ast::ModuleExportName;
use deno_ast::swc::ast::ModuleItem;
use deno_ast::swc::ast::NamedExport;
use deno_ast::swc::ast::Pat;
use deno_ast::swc::ast::Stmt;
use deno_ast::swc::ast::Str;
use deno_ast::swc::ast::Tpl;
use deno_ast::swc::ast::TryStmt;
use deno_ast::swc::ast::TsImportEqualsDecl;
use deno_ast::swc::ast::TsModuleRef;
use deno_ast::swc::ecma_visit::Visit;
use deno_ast::swc::ecma_visit::VisitWith;
use deno_core::ModuleSpecifier;

use crate::diagnostic::Location;

/// Parses `source` by the rules of the file's extension; `.js` may contain JSX, as for wrangler.
pub fn parse(file: &Path, source: &str) -> Result<ParsedSource, ParseDiagnostic> {
    let specifier = ModuleSpecifier::from_file_path(file)
        .unwrap_or_else(|()| ModuleSpecifier::parse("file:///module").expect("a valid URL"));
    let media_type = match MediaType::from_path(file) {
        MediaType::JavaScript | MediaType::Mjs | MediaType::Cjs | MediaType::Unknown => {
            MediaType::Jsx
        }
        media_type => media_type,
    };
    deno_ast::parse_program(ParseParams {
        specifier,
        text: source.into(),
        media_type,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    })
}

/// Where `name` (an exported name, or `default`) is declared in the file `entry` with text `source`.
///
/// Answers with the declaration's own name where it has one, so that an editor opens the class and
/// not the `export` clause. `None` if the file does not parse or declares no such export itself.
pub fn locate_export(entry: &Path, source: &str, name: &str) -> Option<Location> {
    let parsed = parse(entry, source).ok()?;
    let program = parsed.program_ref();
    let items: Vec<ModuleItem> = match program {
        deno_ast::ProgramRef::Module(module) => module.body.clone(),
        deno_ast::ProgramRef::Script(_) => return None,
    };
    let base = StartSourcePos::START_SOURCE_POS;
    let at = |node: &dyn Spot| {
        let (start, end) = node.spot();
        Location::from_offset(entry, source, start - base, end - start)
    };
    let mut local = None;
    for item in &items {
        let ModuleItem::ModuleDecl(decl) = item else {
            continue;
        };
        match decl {
            ModuleDecl::ExportDecl(export) => {
                if let Some(ident) = declared(&export.decl, name) {
                    return Some(at(ident));
                }
            }
            ModuleDecl::ExportDefaultDecl(export) if name == "default" => {
                let ident = match &export.decl {
                    DefaultDecl::Class(class) => class.ident.as_ref(),
                    DefaultDecl::Fn(function) => function.ident.as_ref(),
                    DefaultDecl::TsInterfaceDecl(_) => None,
                };
                return Some(match ident {
                    Some(ident) => at(ident),
                    None => at(&export.range()),
                });
            }
            ModuleDecl::ExportDefaultExpr(export) if name == "default" => match &*export.expr {
                Expr::Ident(ident) => {
                    local = Some((ident.sym.to_string(), at(ident)));
                }
                _ => return Some(at(&export.range())),
            },
            ModuleDecl::ExportNamed(export) => {
                for specifier in &export.specifiers {
                    let ExportSpecifier::Named(named) = specifier else {
                        continue;
                    };
                    let exported = named.exported.as_ref().unwrap_or(&named.orig);
                    if **exported.atom() != *name {
                        continue;
                    }
                    let place = at(&specifier.range());
                    match &named.orig {
                        ModuleExportName::Ident(ident) if export.src.is_none() => {
                            local = Some((ident.sym.to_string(), place));
                        }
                        _ => return Some(place),
                    }
                }
            }
            _ => {}
        }
    }
    // `class Room {}` … `export { Room }`: the declaration, or else the clause (an import).
    let (local, clause) = local?;
    let declaration = items.iter().find_map(|item| match item {
        ModuleItem::Stmt(Stmt::Decl(decl)) => declared(decl, &local),
        _ => None,
    });
    Some(declaration.map_or(clause, |ident| at(ident)))
}

fn declared<'a>(decl: &'a Decl, name: &str) -> Option<&'a Ident> {
    let ident = match decl {
        Decl::Class(class) => &class.ident,
        Decl::Fn(function) => &function.ident,
        Decl::TsEnum(ts_enum) => &ts_enum.id,
        Decl::Var(var) => {
            return var
                .decls
                .iter()
                .find_map(|declarator| match &declarator.name {
                    Pat::Ident(binding) if binding.id.sym == *name => Some(&binding.id),
                    _ => None,
                });
        }
        _ => return None,
    };
    (ident.sym == *name).then_some(ident)
}

/// A node's first and last position.
trait Spot {
    fn spot(&self) -> (deno_ast::SourcePos, deno_ast::SourcePos);
}

impl Spot for Ident {
    fn spot(&self) -> (deno_ast::SourcePos, deno_ast::SourcePos) {
        // A binding's span may include its type annotation; the name alone is meant.
        let start = self.start();
        (start, start + self.sym.len())
    }
}

impl Spot for deno_ast::SourceRange {
    fn spot(&self) -> (deno_ast::SourcePos, deno_ast::SourcePos) {
        (self.start, self.end)
    }
}

/// The ranges to blank so that `file` no longer mentions the import at byte `offset`, if the file is
/// TypeScript and does nothing with the imported name but export it again. Else empty.
pub(super) fn passed_on(file: &Path, source: &str, offset: usize) -> Vec<Range<usize>> {
    let Ok(parsed) = parse(file, source) else {
        return Vec::new();
    };
    let deno_ast::ProgramRef::Module(module) = parsed.program_ref() else {
        return Vec::new();
    };
    if !parsed.media_type().is_typed() {
        return Vec::new();
    }
    let bytes = |node: deno_ast::SourceRange| {
        let start = node.start - StartSourcePos::START_SOURCE_POS;
        let end = node.end - StartSourcePos::START_SOURCE_POS;
        let rest = &source[end..];
        let comma = rest.len() - rest.trim_start().len();
        match rest[comma..].starts_with(',') {
            true => start..end + comma + 1,
            false => start..end,
        }
    };
    let decls = || module.body.iter().filter_map(|item| item.as_module_decl());
    let mut local = None;
    for decl in decls() {
        match decl {
            ModuleDecl::ExportNamed(export) if export.src.is_some() => {
                for specifier in &export.specifiers {
                    let range = bytes(specifier.range());
                    if range.contains(&offset) {
                        return vec![range];
                    }
                }
            }
            ModuleDecl::Import(import) => {
                for specifier in &import.specifiers {
                    let range = bytes(specifier.range());
                    if range.contains(&offset) && specifier.is_named() {
                        local = Some((specifier.local().sym.clone(), range));
                    }
                }
            }
            _ => {}
        }
    }
    let Some((local, range)) = local else {
        return Vec::new();
    };
    let mut used = ValueUse {
        name: &local,
        found: false,
    };
    module.visit_with(&mut used);
    if used.found {
        return Vec::new();
    }
    let mut ranges = vec![range];
    for decl in decls() {
        let ModuleDecl::ExportNamed(export) = decl else {
            continue;
        };
        for specifier in &export.specifiers {
            if let ExportSpecifier::Named(named) = specifier
                && export.src.is_none()
                && **named.orig.atom() == *local
            {
                ranges.push(bytes(specifier.range()));
            }
        }
    }
    ranges
}

struct ValueUse<'a> {
    name: &'a str,
    found: bool,
}

impl Visit for ValueUse<'_> {
    fn visit_expr(&mut self, expr: &Expr) {
        if let Expr::Ident(ident) = expr {
            self.found |= ident.sym == *self.name;
        }
        expr.visit_children_with(self);
    }
}

/// One place where a module is imported by a literal specifier.
pub(super) struct ImportSite {
    pub specifier: String,
    /// Byte offset of the specifier, quotes included.
    pub offset: usize,
    pub length: usize,
    /// In a `try` block: the program is prepared for the module to be missing.
    pub optional: bool,
}

/// Every place where `source` imports something, in order.
pub(super) fn import_sites(file: &Path, source: &str) -> Vec<ImportSite> {
    let Ok(parsed) = parse(file, source) else {
        return Vec::new();
    };
    let mut visitor = ImportVisitor {
        in_try: 0,
        sites: Vec::new(),
    };
    match parsed.program_ref() {
        deno_ast::ProgramRef::Module(module) => module.visit_with(&mut visitor),
        deno_ast::ProgramRef::Script(script) => script.visit_with(&mut visitor),
    }
    visitor.sites
}

struct ImportVisitor {
    in_try: usize,
    sites: Vec<ImportSite>,
}

impl ImportVisitor {
    fn push(&mut self, specifier: &Str, may_be_optional: bool) {
        let range = specifier.range();
        self.sites.push(ImportSite {
            specifier: specifier.value.to_string_lossy().into_owned(),
            offset: range.start - StartSourcePos::START_SOURCE_POS,
            length: range.end - range.start,
            optional: may_be_optional && self.in_try > 0,
        });
    }
}

impl Visit for ImportVisitor {
    fn visit_import_decl(&mut self, import: &ImportDecl) {
        if !import.type_only {
            self.push(&import.src, false);
        }
    }

    fn visit_export_all(&mut self, export: &ExportAll) {
        if !export.type_only {
            self.push(&export.src, false);
        }
    }

    fn visit_named_export(&mut self, export: &NamedExport) {
        if let (Some(src), false) = (&export.src, export.type_only) {
            self.push(src, false);
        }
    }

    fn visit_ts_import_equals_decl(&mut self, import: &TsImportEqualsDecl) {
        if let TsModuleRef::TsExternalModuleRef(module) = &import.module_ref {
            self.push(&module.expr, false);
        }
    }

    fn visit_call_expr(&mut self, call: &CallExpr) {
        call.visit_children_with(self);
        let is_import = match &call.callee {
            Callee::Import(_) => true,
            Callee::Expr(callee) => {
                matches!(&**callee, Expr::Ident(ident) if ident.sym == *"require")
            }
            Callee::Super(_) => false,
        };
        if let (true, Some(argument)) = (is_import, call.args.first()) {
            match &*argument.expr {
                Expr::Lit(Lit::Str(specifier)) => self.push(specifier, true),
                // A template without holes is as good as a string.
                Expr::Tpl(Tpl { span, quasis, .. }) if quasis.len() == 1 => {
                    let quasi = &quasis[0];
                    let value = quasi.cooked.clone().unwrap_or_default();
                    let span = *span;
                    self.push(
                        &Str {
                            span,
                            value,
                            raw: None,
                        },
                        true,
                    );
                }
                _ => {}
            }
        }
    }

    fn visit_try_stmt(&mut self, statement: &TryStmt) {
        self.in_try += 1;
        statement.block.visit_with(self);
        self.in_try -= 1;
        statement.handler.visit_with(self);
        statement.finalizer.visit_with(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, name: &str, expect: Option<(u32, u32, u32)>) {
        let found = locate_export(Path::new("/app/chat.ts"), source, name);
        assert_eq!(
            found.map(|place| (place.line, place.column, place.length)),
            expect,
            "{name} in {source:?}"
        );
    }

    #[test]
    fn finds_where_an_export_is_declared() {
        check("\nexport class Room {}", "Room", Some((2, 14, 4)));
        check("export const a: number = 1, b = 2", "b", Some((1, 29, 1)));
        check("class Room {}\nexport { Room }", "Room", Some((1, 7, 4)));
        check("class A {}\nexport { A as Room }", "Room", Some((1, 7, 1)));
        check("export { Room } from './room'", "Room", Some((1, 10, 4)));
        check(
            "import { Room } from './room'\nexport { Room }",
            "Room",
            Some((2, 10, 4)),
        );
        check("export default class Room {}", "default", Some((1, 22, 4)));
        check(
            "const worker = {}\nexport default worker",
            "default",
            Some((1, 7, 6)),
        );
        check("export default { fetch() {} }", "default", Some((1, 1, 29)));
        check("export type Room = 1", "Room", None);
        check("class Room {}", "Room", None);
        check("export class {", "Room", None);
        check("/* é */ export class Room {}", "Room", Some((1, 22, 4)));
    }

    #[test]
    fn imports_in_try_blocks_are_optional() {
        let source = "import 'a'\ntry { require('b') } catch { require(\"c\") }\nimport type { X } from 'd'\nawait import('e')\nimport(`f`)";
        let sites = import_sites(Path::new("/app/chat.ts"), source);
        let found: Vec<(&str, &str, bool)> = sites
            .iter()
            .map(|site| {
                let text = &source[site.offset..site.offset + site.length];
                (site.specifier.as_str(), text, site.optional)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a", "'a'", false),
                ("b", "'b'", true),
                ("c", "\"c\"", false),
                ("e", "'e'", false),
                ("f", "`f`", false)
            ]
        );
    }
}
