//! `millrun completion SHELL`: what makes a shell complete this command line.
//!
//! ```text
//! bash   millrun completion bash > /etc/bash_completion.d/millrun
//! zsh    millrun completion zsh  > "${fpath[1]}/_millrun"
//! fish   millrun completion fish > ~/.config/fish/completions/millrun.fish
//! ```
//!
//! Made of the definition of the command line, and of the plugins' declarations where a page of
//! the reference is meant.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::command_line::CommandLine;
use crate::reference;

/// What `millrun completion` was asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionArguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionArguments {
    /// Writes the shell's file to the standard output.
    pub(crate) fn run(&self) -> ExitCode {
        let text = completion(self.shell);
        // Nobody is left to tell when the reader of the output is gone.
        let _ = io::stdout().lock().write_all(&text);
        ExitCode::SUCCESS
    }
}

fn completion(shell: Shell) -> Vec<u8> {
    let pages = PossibleValuesParser::new(reference::page_names());
    let mut command = CommandLine::command().mut_subcommand("reference", |reference| {
        reference.mut_arg("page", |page| page.value_parser(pages))
    });
    let mut text = Vec::new();
    generate(shell, &mut command, "millrun", &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn text(shell: Shell) -> String {
        String::from_utf8(completion(shell)).unwrap()
    }

    #[test]
    fn flags_commands_and_pages_are_in_the_file_of_every_shell() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = text(shell);
            let mut words = vec!["inline-config", "dry-run", "check", "explain", "sarif"];
            // clap_complete offers fish no words for what stands without a flag.
            if shell != Shell::Fish {
                words.extend(["input_tail", "parser_nginx"]);
            }
            for word in words {
                assert!(text.contains(word), "{shell}: {word} is missing");
            }
        }
    }

    /// The file is asked by the shell it is for.
    #[test]
    fn bash_completes_words_with_it() {
        let asked = |words: &str, count: usize| {
            let script = format!(
                "{}\nCOMP_WORDS=({words})\nCOMP_CWORD={count}\n_millrun millrun \
                 \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\necho \"${{COMPREPLY[@]}}\"\n",
                text(Shell::Bash)
            );
            let mut bash = Command::new("bash")
                .arg("-s")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = bash.stdin.take().unwrap();
            stdin.write_all(script.as_bytes()).unwrap();
            drop(stdin);
            let output = bash.wait_with_output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(asked("millrun expl", 1), "explain");
        assert_eq!(asked("millrun check --den", 2), "--deny-warnings");
        assert_eq!(asked("millrun reference parser_ngi", 2), "parser_nginx");
    }
}
