//! The SDKs and templates that the build script has packed into this command.

use std::collections::BTreeSet;

include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// A file of a new project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectFile {
    /// Where it goes, relative to the project.
    pub path: String,
    /// What is in it.
    pub content: Vec<u8>,
}

impl ProjectFile {
    /// Whether it is to be run: it begins with `#!`.
    pub fn is_program(&self) -> bool {
        self.content.starts_with(b"#!")
    }
}

/// Languages that there is a template for, sorted.
pub fn languages() -> Vec<&'static str> {
    let of = |path: &'static str| path.split_once("/template/").map(|(language, _)| language);
    FILES.iter().filter_map(|(path, _)| of(path)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The files of a new project: the template under its own name, and the SDK in `tidemill/`.
pub fn project(language: &str, name: &str) -> Vec<ProjectFile> {
    let inside = |folder: String| {
        FILES.iter().filter_map(move |(path, content)| Some((path.strip_prefix(folder.as_str())?, *content)))
    };
    let template: Vec<_> = inside(format!("{language}/template/")).collect();
    let mut files: Vec<_> = template.iter().map(|(path, content)| named(path, content, name)).collect();
    let sdk = inside(format!("{language}/tidemill/"));
    let is_used = |script: &str| {
        let uses = |(_, content): &(&str, &[u8])| content.windows(script.len()).any(|part| part == script.as_bytes());
        template.iter().any(uses)
    };
    let toolchains = inside("toolchains/".to_owned()).filter(|(script, _)| is_used(script));
    let vendored = sdk.chain(toolchains);
    files.extend(
        vendored.map(|(path, content)| ProjectFile { path: format!("tidemill/{path}"), content: content.to_vec() }),
    );
    files
}

/// A file of the template in a project of this name.
fn named(path: &str, content: &[u8], name: &str) -> ProjectFile {
    let path = path.replace("smooth", name);
    let content = match std::str::from_utf8(content) {
        Ok(text) => text
            .replace("../tidemill", "./tidemill")
            // The Rust SDK is the folder above its template.
            .replace("{ path = \"..\" }", "{ path = \"tidemill\" }")
            .replace("Smooth", &camel_case(name))
            .replace("smooth", name)
            .into_bytes(),
        Err(_) => content.to_vec(),
    };
    ProjectFile { path, content }
}

/// `MyPlugin` of `my-plugin`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect()
}
