//! Reads a source file as Rust does, and lists the paths that it names.
//!
//! It sees `use` declarations anywhere, paths in expressions, types, patterns and
//! attributes, and the tokens of macro calls and macro definitions. It follows renames, `self`,
//! `super` and inline modules. Comments and documentation are not read.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta, Stmt, UseTree, Visibility};

/// A path that a file names.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// From the crate's root (`crate`) or from another crate (`std`, which stands for `core` and
    /// `alloc` too). A macro's name ends with `!`, a glob import with `*`.
    pub path: Vec<String>,
    pub line: usize,
    /// Whether only tests are built with it.
    pub test: bool,
    /// Whether it is a `pub use`.
    pub export: bool,
}

/// What a source file names, and what it declares.
#[derive(Debug, Default)]
pub struct Names {
    pub names: Vec<Name>,
    /// Its modules in separate files, and whether only tests are built with them.
    pub modules: BTreeMap<String, bool>,
    /// What it re-exports: names to paths.
    pub exports: BTreeMap<String, Vec<String>>,
}

/// Reads a file which is the module `module`, such as `["rules", "fetch"]`.
pub fn read(source: &str, module: &[String], test: bool) -> syn::Result<Names> {
    let file = syn::parse_file(source)?;
    let mut module = module.to_vec();
    module.insert(0, "crate".to_owned());
    let mut reader =
        Reader { found: Names::default(), module, scopes: Vec::new(), test, export: false };
    reader.scope(&file.items, |reader| visit::visit_file(reader, &file));
    Ok(reader.found)
}

struct Reader {
    found: Names,
    module: Vec<String>,
    /// The enclosing scopes.
    scopes: Vec<Scope>,
    test: bool,
    export: bool,
}

/// The names that `use` and `mod` add to a scope.
struct Scope {
    module: Vec<String>,
    /// Names to paths as written.
    names: BTreeMap<String, Vec<String>>,
}

/// One path of a `use` declaration.
struct Import {
    path: Vec<String>,
    name: Option<String>,
    line: usize,
}

fn line(ident: &Ident) -> usize {
    ident.span().start().line
}

/// Whether it is a keyword such as `use` or `return`, which cannot begin a path.
fn is_keyword(ident: &Ident) -> bool {
    let word = ident.to_string();
    !matches!(word.as_str(), "crate" | "self" | "super") && syn::parse_str::<Ident>(&word).is_err()
}

fn imports(tree: &UseTree, before: &[String], found: &mut Vec<Import>) {
    let with = |ident: &Ident| {
        let mut path = before.to_vec();
        if ident != "self" || path.is_empty() {
            path.push(ident.to_string());
        }
        path
    };
    match tree {
        UseTree::Path(tree) => imports(&tree.tree, &with(&tree.ident), found),
        UseTree::Name(tree) => {
            let path = with(&tree.ident);
            found.push(Import { name: path.last().cloned(), path, line: line(&tree.ident) });
        }
        UseTree::Rename(tree) => found.push(Import {
            path: with(&tree.ident),
            name: Some(tree.rename.to_string()),
            line: line(&tree.ident),
        }),
        UseTree::Glob(tree) => {
            let mut path = before.to_vec();
            path.push("*".to_owned());
            let line = tree.star_token.span.start().line;
            found.push(Import { path, name: None, line });
        }
        UseTree::Group(tree) => {
            for tree in &tree.items {
                imports(tree, before, found);
            }
        }
    }
}

/// Whether an attribute limits its item to tests: `#[test]`, or a `cfg` that needs `test`.
fn is_for_tests(attribute: &Attribute) -> bool {
    fn needs_test(tokens: TokenStream) -> bool {
        let mut negated = false;
        tokens.into_iter().any(|tree| match tree {
            TokenTree::Ident(ident) => {
                negated = ident == "not" || ident == "any";
                ident == "test"
            }
            TokenTree::Group(group) => !negated && needs_test(group.stream()),
            _ => false,
        })
    }
    match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && needs_test(list.tokens.clone()),
        Meta::NameValue(_) => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl Reader {
    /// Visits the code of a scope with these items.
    fn scope<'a>(
        &mut self,
        items: impl IntoIterator<Item = &'a Item>,
        visit: impl FnOnce(&mut Reader),
    ) {
        let mut names = BTreeMap::new();
        for item in items {
            match item {
                Item::Use(item) => {
                    let mut found = Vec::new();
                    imports(&item.tree, &[], &mut found);
                    names.extend(found.into_iter().filter_map(|i| Some((i.name?, i.path))));
                }
                Item::Mod(item) => {
                    let name = item.ident.to_string();
                    names.insert(name.clone(), vec!["self".to_owned(), name]);
                }
                Item::ExternCrate(item) => {
                    let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
                    let of = if item.ident == "self" { "crate" } else { &item.ident.to_string() };
                    names.insert(name.to_string(), vec![of.to_owned()]);
                }
                _ => {}
            }
        }
        self.scopes.push(Scope { module: self.module.clone(), names });
        visit(self);
        self.scopes.pop();
    }

    /// Returns the full path of a path as it is written here.
    fn resolve(&self, path: &[String]) -> Vec<String> {
        self.resolve_in(&self.module, path, 0)
    }

    fn resolve_in(&self, module: &[String], path: &[String], depth: u8) -> Vec<String> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut whole = match first.as_str() {
            "crate" | "phaseflag" => vec!["crate".to_owned()],
            "std" | "core" | "alloc" => vec!["std".to_owned()],
            "self" => module.to_vec(),
            "super" => {
                let mut module = module.to_vec();
                let ups = path.iter().take_while(|part| *part == "super").count();
                module.truncate(module.len().saturating_sub(ups).max(1));
                module.extend_from_slice(&path[ups..]);
                return module;
            }
            name => match self.scopes.iter().rev().find(|scope| scope.names.contains_key(name)) {
                Some(scope) => {
                    let path = &scope.names[name];
                    // `use log;` names another crate.
                    match path[0] != name && depth < 8 {
                        true => self.resolve_in(&scope.module, path, depth + 1),
                        false => path.clone(),
                    }
                }
                None => vec![name.to_owned()],
            },
        };
        whole.extend_from_slice(rest);
        whole
    }

    fn add(&mut self, path: &[String], line: usize) {
        let path = self.resolve(path);
        self.found.names.push(Name { path, line, test: self.test, export: self.export });
    }

    fn add_macro(&mut self, path: &[String], line: usize) {
        let mut path = self.resolve(path);
        if let Some(name) = path.last_mut() {
            name.push('!');
        }
        self.found.names.push(Name { path, line, test: self.test, export: false });
    }

    /// Adds the paths in the tokens of a macro or an attribute.
    fn tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(tree) = trees.get(at) {
            match tree {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if !is_keyword(ident) => {
                    at = self.token_path(&trees, at, &[]);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Adds the path that begins at a token; a group in braces is one of `use`. Returns the
    /// position after it.
    fn token_path(&mut self, trees: &[TokenTree], mut at: usize, before: &[String]) -> usize {
        let is = |at: usize, sign: char| matches!(trees.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign);
        let mut path = before.to_vec();
        let mut last = 0;
        let mut goes_on = false;
        loop {
            match trees.get(at) {
                Some(TokenTree::Ident(ident)) => {
                    last = line(ident);
                    if ident != "self" || path.is_empty() {
                        path.push(ident.to_string());
                    }
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    let mut inner_at = 0;
                    while inner_at < inner.len() {
                        let next = self.token_path(&inner, inner_at, &path);
                        inner_at = next.max(inner_at + 1);
                    }
                    return at + 1;
                }
                Some(TokenTree::Punct(punct)) if punct.as_char() == '*' && !path.is_empty() => {
                    last = punct.span().start().line;
                    path.push("*".to_owned());
                }
                _ => break,
            }
            at += 1;
            goes_on = is(at, ':') && is(at + 1, ':');
            if !goes_on {
                break;
            }
            at += 2;
        }
        if path.len() == before.len() {
            return at;
        }
        // A path may continue with a parameter of the macro: `log::$level!`.
        if is(at, '!') && !is(at + 1, '=') {
            self.add_macro(&path, last);
        } else if path.len() > 1 || goes_on {
            self.add(&path, last);
        }
        at
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item(&mut self, item: &'a Item) {
        let before = self.test;
        self.test |= attributes(item).iter().any(is_for_tests);
        visit::visit_item(self, item);
        self.test = before;
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        let before = self.test;
        if let ImplItem::Fn(item) = item {
            self.test |= item.attrs.iter().any(is_for_tests);
        }
        visit::visit_impl_item(self, item);
        self.test = before;
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        let name = item.ident.to_string();
        self.module.push(name.clone());
        match &item.content {
            Some((_, items)) => self.scope(items, |reader| visit::visit_item_mod(reader, item)),
            None => {
                self.found.modules.insert(name, self.test);
            }
        }
        self.module.pop();
    }

    fn visit_block(&mut self, block: &'a syn::Block) {
        let items = block.stmts.iter().filter_map(|statement| match statement {
            Stmt::Item(item) => Some(item),
            _ => None,
        });
        self.scope(items, |reader| visit::visit_block(reader, block));
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let mut found = Vec::new();
        imports(&item.tree, &[], &mut found);
        self.export = !matches!(item.vis, Visibility::Inherited);
        for import in found {
            if let (true, Some(name)) = (self.export, import.name) {
                let path = self.resolve(&import.path);
                self.found.exports.insert(name, path);
            }
            self.add(&import.path, import.line);
        }
        self.export = false;
    }

    fn visit_item_extern_crate(&mut self, item: &'a syn::ItemExternCrate) {
        if item.ident != "self" {
            self.add(&[item.ident.to_string()], line(&item.ident));
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if let (true, Some(first)) = (names.len() > 1, path.segments.first()) {
            self.add(&names, line(&first.ident));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let names: Vec<_> = call.path.segments.iter().map(|part| part.ident.to_string()).collect();
        if let Some(first) = call.path.segments.first() {
            self.add_macro(&names, line(&first.ident));
        }
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        match &attribute.meta {
            Meta::List(list) if list.path.is_ident("cfg") => {}
            Meta::List(list) => {
                self.visit_path(&list.path);
                self.tokens(list.tokens.clone());
            }
            Meta::Path(path) => self.visit_path(path),
            Meta::NameValue(meta) => self.visit_expr(&meta.value),
        }
    }

    /// `pub(in crate::ruleset)` limits who may use an item, and uses nothing itself.
    fn visit_vis_restricted(&mut self, _: &'a syn::VisRestricted) {}
}
