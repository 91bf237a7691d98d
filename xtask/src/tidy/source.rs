//! A source file as lines, and what can be told about it without parsing: after rustfmt,
//! indentation shows where things end.

/// One file.
pub(crate) struct Source<'a> {
    /// Its path from the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) lines: Vec<&'a str>,
}

/// A function with a body: the index of its first line, and how many lines it has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) start: usize,
    pub(crate) length: usize,
}

impl<'a> Source<'a> {
    pub(crate) fn new(path: &str, text: &'a str) -> Self {
        Self {
            path: path.replace('\\', "/"),
            lines: text.lines().collect(),
        }
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// Lines that are neither blank nor only a comment.
    pub(crate) fn lines_of_code(&self) -> usize {
        let is_code = |line: &&&str| !line.trim().is_empty() && !is_comment(line);
        self.lines.iter().filter(is_code).count()
    }

    pub(crate) fn functions(&self) -> Vec<Function> {
        let starts = (0..self.lines.len()).filter(|&line| begins_function(self.lines[line]));
        starts.filter_map(|start| self.function(start)).collect()
    }

    /// The function that begins here; `None` if it is a declaration without a body.
    fn function(&self, start: usize) -> Option<Function> {
        let lines = &self.lines[start..];
        let body = lines.iter().position(|line| ends_signature(line))?;
        if !lines[body].ends_with('{') {
            return lines[body].ends_with('}').then_some(Function {
                start,
                length: body + 1,
            });
        }
        let closing = format!("{}}}", indentation(lines[0]));
        let end = lines[body..].iter().position(|line| **line == closing)?;
        Some(Function {
            start,
            length: body + end + 1,
        })
    }

    /// Whether the comment above the statement that holds this line says `word`.
    pub(crate) fn is_explained(&self, line: usize, word: &str) -> bool {
        let mut above = self.lines[..line]
            .iter()
            .rev()
            .map(|line| line.trim())
            .peekable();
        while above.next_if(|line| is_inside_statement(line)).is_some() {}
        above
            .take_while(|line| is_comment(line) || line.starts_with("#["))
            .any(|line| line.contains(word))
    }
}

pub(crate) fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The code of a line, without the comment at its end.
pub(crate) fn code(line: &str) -> &str {
    let comment = line.find(" // ").unwrap_or(line.len());
    if is_comment(line) {
        ""
    } else {
        &line[..comment]
    }
}

/// The comment of a line, or nothing: the part that is not [`code`].
pub(crate) fn comment(line: &str) -> &str {
    let comment = &line[code(line).len()..];
    comment.trim_start().trim_start_matches(['/', '!'])
}

fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

/// Whether `fn` is the first word that is not a qualifier.
fn begins_function(line: &str) -> bool {
    let qualifiers = ["const", "async", "unsafe", "extern", "\"C\"", "default"];
    let is_qualifier = |word: &&str| qualifiers.contains(word) || word.starts_with("pub");
    line.split_whitespace().find(|word| !is_qualifier(word)) == Some("fn")
}

/// The last line of a signature opens the body, holds all of it, or ends a declaration.
fn ends_signature(line: &str) -> bool {
    line.ends_with('{') || line.ends_with('}') || line.ends_with(';')
}

/// A line that the next one continues.
fn is_inside_statement(line: &str) -> bool {
    let ends = [';', '{', '}'];
    !line.is_empty() && !is_comment(line) && !line.starts_with("#[") && !line.ends_with(ends)
}
