//! `phaseflag completions`: what a shell may offer. The keys come from `phaseflag list`.

use std::fmt::Write as _;

use crate::COMMANDS;
use crate::args::{Arguments, Choice, Command};
use crate::failure::{Failure, Status};
use crate::output;

pub(crate) const COMMAND: Command = Command {
    name: "completions",
    words: &["SHELL"],
    about: "Prints completions for bash, zsh or fish",
    details: "They offer commands, options and files, and the keys of flags by asking `phaseflag list`\n\
              with what the environment says of the service.\n",
    options: &[],
    examples: &[
        "source <(phaseflag completions bash)                  # in ~/.bashrc",
        "source <(phaseflag completions zsh)                   # in ~/.zshrc, after compinit",
        "phaseflag completions fish > ~/.config/fish/completions/phaseflag.fish",
    ],
    run,
};

/// The commands that a shell may ask for the keys, without errors and without a long wait.
const KEYS: &str = "phaseflag list --timeout 2 2>/dev/null | cut -f1";

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    match arguments.word(0)? {
        "bash" => output::print(bash()),
        "zsh" => output::print(zsh()),
        "fish" => output::print(fish()),
        other => Err(arguments
            .usage(format!("there are completions for bash, zsh and fish, not for `{other}`"))),
    }
}

/// Every option, once.
fn choices() -> Vec<&'static Choice> {
    let mut choices: Vec<&Choice> = Vec::new();
    for choice in COMMANDS.iter().flat_map(|command| command.choices()) {
        if choices.iter().all(|known| known.name != choice.name) {
            choices.push(choice);
        }
    }
    choices
}

/// Returns the names of the options whose values are files, or are anything else.
fn with_values(files: bool) -> String {
    let choices = choices();
    let taking = choices.iter().filter(|choice| !choice.value.is_empty());
    let taking = taking.filter(|choice| is_file(choice.value) == files);
    let names = taking.flat_map(|choice| {
        choice.short.map(|short| format!("-{short}")).into_iter().chain([choice.name.to_owned()])
    });
    names.collect::<Vec<_>>().join("|")
}

fn is_file(value: &str) -> bool {
    matches!(value, "FILE" | "DIR")
}

fn names(separator: &str) -> String {
    COMMANDS.map(|command| command.name).join(separator)
}

fn options(command: &Command) -> String {
    let mut names: Vec<&str> = command.choices().map(|choice| choice.name).collect();
    names.push("--help");
    names.join(" ")
}

/// A key may hold anything: it is compared as text, never expanded, and quoted for the line.
fn bash() -> String {
    let mut script = format!(
        r#"# bash completion for phaseflag

_phaseflag_keys() {{
    local key
    while IFS= read -r key; do
        if [[ $key == "$1"* ]]; then
            printf -v key %q "$key"
            COMPREPLY+=("$key")
        fi
    done < <({KEYS})
}}

_phaseflag() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command='' at
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
            {files}|{values}) ((at++)) ;;
            {commands}) command=${{COMP_WORDS[at]}}; break ;;
        esac
    done
    case $before in
        {files}) compopt -o default; return ;;
        {values}) return ;;
    esac
    case $command in
        '') COMPREPLY=($(compgen -W '{words} help --help --version' -- "$word")) ;;
"#,
        commands = names("|"),
        files = with_values(true),
        values = with_values(false),
        words = names(" "),
    );
    for command in COMMANDS {
        let words = match command.words {
            ["KEY"] => "_phaseflag_keys \"$word\"",
            ["FILE"] => "compopt -o default",
            ["SHELL"] => "COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))",
            _ => ":",
        };
        let _ = write!(
            script,
            "        {name})
            case $word in
                -*) COMPREPLY=($(compgen -W '{options}' -- \"$word\")) ;;
                *) {words} ;;
            esac ;;
",
            name = command.name,
            options = options(command),
        );
    }
    script += "    esac\n}\n\ncomplete -F _phaseflag phaseflag\n";
    script
}

fn zsh() -> String {
    let mut script = format!(
        r#"#compdef phaseflag

_phaseflag_keys() {{
    local -a keys
    keys=(${{(f)"$({KEYS})"}})
    compadd -a keys
}}

_phaseflag() {{
    local command='' at
    for ((at = 2; at < CURRENT; at++)); do
        case ${{words[at]}} in
            {files}|{values}) ((at++)) ;;
            {commands}) command=${{words[at]}}; break ;;
        esac
    done
    case ${{words[CURRENT-1]}} in
        {files}) _files; return ;;
        {values}) return ;;
    esac
    case $command in
        '') compadd -- {words} help --help --version ;;
"#,
        commands = names("|"),
        files = with_values(true),
        values = with_values(false),
        words = names(" "),
    );
    for command in COMMANDS {
        let words = match command.words {
            ["KEY"] => "_phaseflag_keys",
            ["FILE"] => "_files",
            ["SHELL"] => "compadd -- bash zsh fish",
            _ => ":",
        };
        let _ = write!(
            script,
            "        {name})
            case ${{words[CURRENT]}} in
                -*) compadd -- {options} ;;
                *) {words} ;;
            esac ;;
",
            name = command.name,
            options = options(command),
        );
    }
    script += "    esac\n}\n\n";
    // As a file of `fpath` it is the body of the function, and else a script.
    script += "if [[ ${funcstack[1]-} == _phaseflag ]]; then _phaseflag; else compdef _phaseflag phaseflag; fi\n";
    script
}

fn fish() -> String {
    let mut script = "# fish completion for phaseflag\n\ncomplete -c phaseflag -f\n".to_owned();
    for command in COMMANDS {
        let _ = writeln!(
            script,
            "complete -c phaseflag -n __fish_use_subcommand -a {} -d {}",
            command.name,
            quoted(command.about)
        );
    }
    for command in COMMANDS {
        let seen = format!("-n '__fish_seen_subcommand_from {}'", command.name);
        let words = match command.words {
            ["KEY"] => format!("-a '({KEYS})'"),
            ["FILE"] => "-F".to_owned(),
            ["SHELL"] => "-a 'bash zsh fish'".to_owned(),
            _ => String::new(),
        };
        if !words.is_empty() {
            let _ = writeln!(script, "complete -c phaseflag {seen} {words}");
        }
        for choice in command.choices() {
            let short = choice.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            let value = match choice.value {
                "" => "",
                value if is_file(value) => " -r -F",
                _ => " -x",
            };
            let long = choice.name.trim_start_matches('-');
            let about = quoted(choice.about);
            let _ =
                writeln!(script, "complete -c phaseflag {seen}{short} -l {long}{value} -d {about}");
        }
    }
    script
}

/// Quotes a text for fish.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
