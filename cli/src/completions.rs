//! `phaseflag completions`: generates scripts for shells, which get flag keys from `phaseflag list`.

use std::fmt::Write as _;

use phaseflag::Object;

use crate::COMMANDS;
use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::output;

pub(crate) const COMMAND: Command = Command {
    name: "completions",
    positionals: &["SHELL"],
    about: "Print completions for bash, zsh, fish or PowerShell",
    details: "Completes commands, options, files and flag keys. The keys come from `phaseflag list`, with\n\
              the settings of the environment variables.\n",
    options: &[&[OptionSpec::switch("--json", "print a JSON object with the script")]],
    examples: &[
        "source <(phaseflag completions bash)                  # in ~/.bashrc",
        "source <(phaseflag completions zsh)                   # in ~/.zshrc, after compinit",
        "phaseflag completions fish > ~/.config/fish/completions/phaseflag.fish",
        "phaseflag completions powershell | Out-String | Invoke-Expression  # in $PROFILE",
    ],
    run,
};

/// The shell command that lists the keys, without errors and without a long wait.
const LIST_KEYS: &str = "phaseflag list --timeout 2 2>/dev/null | cut -f1";

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let shell = arguments.positional(0)?;
    let script = match shell {
        "bash" => bash(),
        "zsh" => zsh(),
        "fish" => fish(),
        "powershell" | "pwsh" => powershell(),
        other => {
            return Err(arguments
                .usage(format!("unknown shell `{other}`: use bash, zsh, fish or powershell")));
        }
    };
    if arguments.has("--json") {
        let object = Object::from([("shell", shell), ("script", script.as_str())]);
        return output::json(object);
    }
    output::print(script)
}

/// Returns the options of all commands, without duplicates.
fn all_options() -> Vec<&'static OptionSpec> {
    let mut specs: Vec<&OptionSpec> = Vec::new();
    for spec in COMMANDS.iter().flat_map(|command| command.option_specs()) {
        if specs.iter().all(|known| known.name != spec.name) {
            specs.push(spec);
        }
    }
    specs
}

/// Returns a shell pattern of the options that take a value: a file if `files`, any other otherwise.
fn options_with_values(files: bool) -> String {
    let specs = all_options();
    let specs = specs.iter().filter(|spec| !spec.value.is_empty() && is_file(spec.value) == files);
    let names = specs.flat_map(|spec| {
        spec.short.map(|short| format!("-{short}")).into_iter().chain([spec.name.to_owned()])
    });
    names.collect::<Vec<_>>().join("|")
}

fn is_file(value: &str) -> bool {
    matches!(value, "FILE" | "DIR")
}

fn command_names(separator: &str) -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(separator)
}

fn options(command: &Command) -> String {
    let mut names: Vec<&str> = command.option_specs().map(|spec| spec.name).collect();
    names.push("--help");
    names.join(" ")
}

/// Returns the script for bash. A key may hold any character: the script compares it as text, never
/// expands it, and quotes it.
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
    done < <({LIST_KEYS})
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
        commands = command_names("|"),
        files = options_with_values(true),
        values = options_with_values(false),
        words = command_names(" "),
    );
    for command in COMMANDS {
        let words = match command.positionals {
            ["KEY"] => "_phaseflag_keys \"$word\"",
            ["FILE"] | ["OLD", ..] | ["[DIR]"] => "compopt -o default",
            ["LANGUAGE", ..] => {
                "if [[ $before == generate ]]; then COMPREPLY=(rust); else compopt -o default; fi"
            }
            ["SHELL"] => "COMPREPLY=($(compgen -W 'bash zsh fish powershell' -- \"$word\"))",
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

/// Returns the script for zsh, which works as a file of `fpath` and by `source`.
fn zsh() -> String {
    let mut script = format!(
        r#"#compdef phaseflag

_phaseflag_keys() {{
    local -a keys
    keys=(${{(f)"$({LIST_KEYS})"}})
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
        commands = command_names("|"),
        files = options_with_values(true),
        values = options_with_values(false),
        words = command_names(" "),
    );
    for command in COMMANDS {
        let words = match command.positionals {
            ["KEY"] => "_phaseflag_keys",
            ["FILE"] | ["OLD", ..] | ["[DIR]"] => "_files",
            ["LANGUAGE", ..] => {
                "if [[ ${words[CURRENT-1]} == generate ]]; then compadd -- rust; else _files; fi"
            }
            ["SHELL"] => "compadd -- bash zsh fish powershell",
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
    // A file of `fpath` is the body of the function.
    script += "if [[ ${funcstack[1]-} == _phaseflag ]]; then _phaseflag; else compdef _phaseflag phaseflag; fi\n";
    script
}

/// Returns the script for fish.
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
        let words = match command.positionals {
            ["KEY"] => format!("-a '({LIST_KEYS})'"),
            ["FILE"] | ["OLD", ..] | ["[DIR]"] => "-F".to_owned(),
            ["LANGUAGE", ..] => "-F -a rust".to_owned(),
            ["SHELL"] => "-a 'bash zsh fish powershell'".to_owned(),
            _ => String::new(),
        };
        if !words.is_empty() {
            let _ = writeln!(script, "complete -c phaseflag {seen} {words}");
        }
        for spec in command.option_specs() {
            let short = spec.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            let value = match spec.value {
                "" => "",
                value if is_file(value) => " -r -F",
                _ => " -x",
            };
            let long = spec.name.trim_start_matches('-');
            let about = quoted(spec.about);
            let _ =
                writeln!(script, "complete -c phaseflag {seen}{short} -l {long}{value} -d {about}");
        }
    }
    script
}

/// Returns the script for PowerShell, 5 and later. If it offers nothing, PowerShell offers files.
fn powershell() -> String {
    let list = |words: String| {
        words
            .split('|')
            .filter(|word| !word.is_empty())
            .map(single_quoted)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let values = [options_with_values(true), options_with_values(false)].join("|");
    let mut script = format!(
        r#"# PowerShell completion for phaseflag

Register-ArgumentCompleter -Native -CommandName @('phaseflag', 'phaseflag.exe') -ScriptBlock {{
    param($word, $line, $cursor)
    $before = @($line.CommandElements | Where-Object {{ $_.Extent.EndOffset -lt $cursor }} |
        ForEach-Object {{ $_.ToString() }})
    $values = @({values})
    $commands = @({commands})
    $command = ''
    for ($at = 1; $at -lt $before.Count; $at++) {{
        if ($values -ccontains $before[$at]) {{ $at++ }}
        elseif ($commands -ccontains $before[$at]) {{ $command = $before[$at]; break }}
    }}
    if ($values -ccontains $before[-1]) {{ return }}
    $option = "$word".StartsWith('-')
    $offered = @(switch -CaseSensitive ($command) {{
        '' {{ $commands; 'help'; '--help'; '--version' }}
"#,
        values = list(values),
        commands = list(command_names("|")),
    );
    for command in COMMANDS {
        let words = match command.positionals {
            ["KEY"] => LIST_KEYS_IN_POWERSHELL,
            ["LANGUAGE", ..] => "if ($before[-1] -ceq 'generate') { 'rust' }",
            ["SHELL"] => "'bash'; 'zsh'; 'fish'; 'powershell'",
            _ => "",
        };
        let options: Vec<_> = options(command).split(' ').map(single_quoted).collect();
        let _ = writeln!(
            script,
            "        '{}' {{ if ($option) {{ {} }} else {{ {words} }} }}",
            command.name,
            options.join("; "),
        );
    }
    // A word with a special character is quoted.
    script += r#"    })
    $offered | Where-Object { $_.StartsWith($word, [StringComparison]::Ordinal) } | ForEach-Object {
        $text = if ($_ -match '^[\w./:-]+$') { $_ } else { "'" + $_.Replace("'", "''") + "'" }
        [System.Management.Automation.CompletionResult]::new($text, $_, 'ParameterValue', $_)
    }
}
"#;
    script
}

/// The command of PowerShell that lists the keys, as [`LIST_KEYS`].
const LIST_KEYS_IN_POWERSHELL: &str =
    "phaseflag list --timeout 2 2>$null | ForEach-Object { $_.Split(\"`t\")[0] }";

/// Quotes a word of the command line for PowerShell.
fn single_quoted(word: &str) -> String {
    format!("'{word}'")
}

/// Quotes a text for fish.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
