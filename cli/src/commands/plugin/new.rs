//! `tidemill plugin new`: a project with a working plugin, its test and the SDK. This command carries them with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::exit::{Exit, ended};
use crate::output::{self, Context, say};
use crate::sdk::{self, ProjectFile};

/// Longest name of a plugin.
const NAME_CHARS_MAX: usize = 64;
/// The SDK's own name in every language.
const TAKEN: &str = "tidemill";

/// Options of `tidemill plugin new`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill plugin new --lang rust my-plugin
  tidemill plugin new --lang python night-rates --dir work/night-rates

The project holds a working plugin (an exponential mean that says when a series has gone silent), its unit test and the
SDK: nothing else of Tidemill is needed to build it.")]
pub struct NewArgs {
    /// The plugin's name: lower-case letters, digits and hyphens
    pub name: String,
    /// The language
    #[arg(long, value_parser = PossibleValuesParser::new(sdk::languages()))]
    pub lang: String,
    /// Where to; must be empty or not there yet [default: a folder of the plugin's name]
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// Writes the project and says what to do next.
///
/// # Errors
/// When the name is not one, the directory is not empty, or it cannot be written.
pub fn run(context: &Context, args: &NewArgs) -> anyhow::Result<()> {
    check_name(&args.name).map_err(|reason| ended(Exit::Usage, reason))?;
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        let message = format!("{} is not empty: choose another name, or another place with --dir", dir.display());
        return Err(ended(Exit::Refused, message));
    }
    let files = sdk::project(&args.lang, &args.name);
    files.iter().try_for_each(|file| write(&dir, file))?;
    if context.json {
        let names: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        output::json(&json!({ "dir": dir, "language": args.lang, "files": names }))?;
        return Ok(());
    }
    output::line(dir.display())?;
    say(format_args!(
        "a plugin in {} is in {}. Next:\n  cd {}\n  \
           tidemill plugin build\n  tidemill plugin test\nREADME.md says the rest",
        args.lang,
        dir.display(),
        dir.display(),
    ));
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || name.len() > NAME_CHARS_MAX || !name.split('-').all(fits) {
        return Err(format!(
            "plugin name {name:?} must be 1 to {NAME_CHARS_MAX} lower-case letters, digits and single hyphens, \
             and begin with a letter: such as my-plugin"
        ));
    }
    if name == TAKEN {
        return Err(format!("plugin name {name:?} is the SDK's: choose another"));
    }
    Ok(())
}

fn write(dir: &Path, file: &ProjectFile) -> anyhow::Result<()> {
    let path = dir.join(&file.path);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    fs::write(&path, &file.content).with_context(|| format!("write {}", path.display()))?;
    if file.is_program() {
        let permissions = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, permissions).with_context(|| format!("make {} executable", path.display()))?;
    }
    Ok(())
}
