//! Methods of `File`, `IO` and `Dir`, which only read.

use crate::{
    class::Class,
    error::Span,
    limits::FILE_BYTES_MAX,
    machine::{Invocation, Machine},
    method::{ClassMethod, Method},
    node::Block,
    value::{Run, Value},
};

impl Machine<'_> {
    pub(crate) fn file_call(
        &mut self,
        method: ClassMethod,
        arguments: &[Value],
        block: Option<&Block>,
        at: Span,
    ) -> Run<Value> {
        if method == ClassMethod::WorkingDirectory {
            let directory = self.world.directory();
            return self.new_text(directory.into_bytes());
        }
        if method == ClassMethod::FileJoin {
            let mut path = String::new();
            for (index, part) in arguments.iter().enumerate() {
                let part = self.as_text(*part, at)?;
                let part = self.lossy(part);
                if index == 0 {
                    path = part;
                    continue;
                }
                path.truncate(path.trim_end_matches('/').len());
                path.push('/');
                path.push_str(part.trim_start_matches('/'));
            }
            return self.new_text(path.into_bytes());
        }
        let path_text = self.as_text(arguments.first().copied().unwrap_or(Value::Nil), at)?;
        let path = self.lossy(path_text);
        let base = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        match method {
            ClassMethod::FileRead | ClassMethod::FileReadLines | ClassMethod::FileOpen => {
                let content = self.read_file(&path, at)?;
                match method {
                    ClassMethod::FileReadLines => {
                        let Value::Text(text) = content else {
                            return Ok(content);
                        };
                        let call = Invocation {
                            method: Method::Lines,
                            arguments: arguments.get(1..).unwrap_or_default(),
                            block,
                            at,
                        };
                        Ok(self.text_method(text, &call)?.unwrap_or(Value::Nil))
                    }
                    // An open file can only be read, which `read` of its content does.
                    ClassMethod::FileOpen => match block {
                        Some(block) => self.call_block(block, &[content], at),
                        None => Ok(content),
                    },
                    _ => Ok(content),
                }
            }
            ClassMethod::FileExists => Ok(Value::Bool(self.world.is_directory(&path).is_some())),
            ClassMethod::FileIsFile => {
                Ok(Value::Bool(self.world.is_directory(&path) == Some(false)))
            }
            ClassMethod::FileIsDirectory => {
                Ok(Value::Bool(self.world.is_directory(&path) == Some(true)))
            }
            ClassMethod::FileBasename => {
                let mut name = if base.is_empty() && path.starts_with('/') {
                    "/"
                } else {
                    base
                };
                if let Some(Value::Text(suffix)) = arguments.get(1) {
                    let suffix = self.lossy(*suffix);
                    let cut = if suffix == ".*" {
                        name.rfind('.').filter(|at| *at > 0)
                    } else {
                        name.strip_suffix(suffix.as_str())
                            .map(str::len)
                            .filter(|len| *len > 0)
                    };
                    name = cut.and_then(|cut| name.get(..cut)).unwrap_or(name);
                }
                self.copy_text(name.as_bytes())
            }
            ClassMethod::FileExtname => {
                let extension = base
                    .rfind('.')
                    .filter(|at| *at > 0 && at + 1 < base.len())
                    .and_then(|at| base.get(at..));
                self.copy_text(extension.unwrap_or_default().as_bytes())
            }
            ClassMethod::FileDirname => {
                let trimmed = path.trim_end_matches('/');
                let directory = match trimmed.rsplit_once('/') {
                    Some(("", _)) => "/",
                    Some((directory, _)) => directory.trim_end_matches('/'),
                    None if trimmed.is_empty() && path.starts_with('/') => "/",
                    None => ".",
                };
                self.copy_text(directory.as_bytes())
            }
            _ => {
                let start = if path.starts_with('/') {
                    String::new()
                } else {
                    self.world.directory()
                };
                let mut parts: Vec<&str> = Vec::new();
                for part in start.split('/').chain(path.split('/')) {
                    match part {
                        "" | "." => {}
                        ".." => {
                            parts.pop();
                        }
                        other => parts.push(other),
                    }
                }
                self.new_text(format!("/{}", parts.join("/")).into_bytes())
            }
        }
    }

    fn read_file(&mut self, path: &str, at: Span) -> Run<Value> {
        match self.world.read(path, FILE_BYTES_MAX + 1) {
            Ok(content) if content.len() as u64 > FILE_BYTES_MAX => self.raise(
                Class::IoError,
                at,
                format!("the file {path} has more than {FILE_BYTES_MAX} bytes"),
            ),
            Ok(content) => self.new_text(content),
            Err(error) => {
                let (class, words) = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        (Class::NoEntry, "No such file or directory".to_owned())
                    }
                    std::io::ErrorKind::PermissionDenied => {
                        (Class::NoAccess, "Permission denied".to_owned())
                    }
                    std::io::ErrorKind::IsADirectory => {
                        (Class::IsDirectory, "Is a directory".to_owned())
                    }
                    _ => (Class::IoError, error.to_string()),
                };
                self.raise(class, at, format!("{words} @ rb_sysopen - {path}"))
            }
        }
    }
}
