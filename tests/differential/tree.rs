//! A message as a tree of named fields, and the notation in which cases and recorded answers write one:
//! `{Topics:[{Name:"a",Partitions:[0,1]}],Id:$session}`. Reading what was written gives the same tree.
//! Words are what is no literal: `$name` in a request, `<name>` for a value that differs from run to run.
use anyhow::{Context, Result, bail};
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Word(String),
    List(Vec<Tree>),
    Fields(Vec<(String, Tree)>),
}

impl Tree {
    /// A field of this struct.
    pub(crate) fn field(&self, name: &str) -> Option<&Tree> {
        let Tree::Fields(fields) = self else { return None };
        fields.iter().find(|(found, _)| found == name).map(|(_, tree)| tree)
    }

    /// The first value at `A.B.C`, where a list is entered at its first element that has it.
    pub(crate) fn at(&self, path: &str) -> Option<&Tree> {
        if let Tree::List(elements) = self {
            return elements.iter().find_map(|element| element.at(path));
        }
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let found = self.field(name)?;
        rest.map_or(Some(found), |rest| found.at(rest))
    }

    pub(crate) fn int(&self) -> Option<i64> {
        if let Tree::Int(value) = self { Some(*value) } else { None }
    }

    /// Every value of the tree, changed by `change`, which is told the name of the field it stands in.
    pub(crate) fn map(self, field: &str, change: &mut impl FnMut(&str, Tree) -> Tree) -> Tree {
        match self {
            Tree::List(elements) => {
                Tree::List(elements.into_iter().map(|element| element.map(field, change)).collect())
            }
            Tree::Fields(fields) => Tree::Fields(
                fields
                    .into_iter()
                    .map(|(name, tree)| {
                        let tree = tree.map(&name, change);
                        (name, tree)
                    })
                    .collect(),
            ),
            leaf => change(field, leaf),
        }
    }

    /// Reads a whole text.
    pub(crate) fn parse(text: &str) -> Result<Tree> {
        let (tree, rest) = Tree::parse_first(text)?;
        anyhow::ensure!(rest.trim().is_empty(), "`{rest}` after the end of a tree");
        Ok(tree)
    }

    /// Reads a tree at the beginning of a text and returns what follows it.
    pub(crate) fn parse_first(text: &str) -> Result<(Tree, &str)> {
        let mut reader = Reader { rest: text.chars().peekable(), left: text };
        let tree = reader.tree().with_context(|| format!("in `{text}`"))?;
        let taken = text.len() - reader.rest.clone().map(char::len_utf8).sum::<usize>();
        Ok((tree, &reader.left[taken..]))
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    left: &'a str,
}

impl Reader<'_> {
    fn tree(&mut self) -> Result<Tree> {
        self.skip();
        match self.rest.peek().copied().context("a tree that is cut short")? {
            '{' => self.fields(),
            '[' => self.list(),
            '"' => Ok(Tree::Text(self.text()?)),
            '<' => {
                let mut word = self.while_in(|letter| letter != '>');
                self.expect('>')?;
                word.push('>');
                Ok(Tree::Word(word))
            }
            _ => self.bare(),
        }
    }

    fn fields(&mut self) -> Result<Tree> {
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.ends('}') {
            let name = self.while_in(|letter| letter.is_alphanumeric());
            anyhow::ensure!(!name.is_empty(), "a field without a name");
            self.expect(':')?;
            fields.push((name, self.tree()?));
        }
        Ok(Tree::Fields(fields))
    }

    fn list(&mut self) -> Result<Tree> {
        self.expect('[')?;
        let mut elements = Vec::new();
        while !self.ends(']') {
            elements.push(self.tree()?);
        }
        Ok(Tree::List(elements))
    }

    /// `"text"`, or `"text"*N` for many of it.
    fn text(&mut self) -> Result<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.rest.next().context("a text that does not end")? {
                '"' => break,
                '\\' => text.push(self.escaped()?),
                letter => text.push(letter),
            }
        }
        if self.rest.next_if_eq(&'*').is_none() {
            return Ok(text);
        }
        let times = self.while_in(|letter| letter.is_ascii_digit());
        Ok(text.repeat(times.parse().context("how often?")?))
    }

    fn escaped(&mut self) -> Result<char> {
        Ok(match self.rest.next().context("a text that does not end")? {
            'n' => '\n',
            'u' => {
                let code: String = self.rest.by_ref().take(4).collect();
                char::from_u32(u32::from_str_radix(&code, 16)?).context("no letter has this number")?
            }
            letter => letter,
        })
    }

    fn bare(&mut self) -> Result<Tree> {
        let word = self.while_in(|letter| letter.is_alphanumeric() || "$:.+-_".contains(letter));
        Ok(match word.as_str() {
            "null" => Tree::Null,
            "true" => Tree::Bool(true),
            "false" => Tree::Bool(false),
            "x" => Tree::Bytes(unhex(&self.text()?)?),
            word if word.starts_with('$') => Tree::Word(word.to_owned()),
            word if word.contains(['.', 'N', 'i', 'e']) => Tree::Float(word.parse().context("a number")?),
            word => Tree::Int(word.parse().with_context(|| format!("`{word}` is no value"))?),
        })
    }

    fn while_in(&mut self, wanted: impl Fn(char) -> bool) -> String {
        std::iter::from_fn(|| self.rest.next_if(|letter| wanted(*letter))).collect()
    }

    /// Whether a list or struct ends here; commas count as space.
    fn ends(&mut self, end: char) -> bool {
        self.skip();
        self.rest.next_if_eq(&end).is_some()
    }

    fn skip(&mut self) {
        while self.rest.next_if(|letter| letter.is_whitespace() || *letter == ',').is_some() {}
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        match self.rest.next() {
            Some(found) if found == wanted => Ok(()),
            found => bail!("{found:?} where `{wanted}` belongs"),
        }
    }
}

/// Bytes that are written as pairs of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Null => f.write_str("null"),
            Tree::Bool(value) => write!(f, "{value}"),
            Tree::Int(value) => write!(f, "{value}"),
            // With a point, so that it is read as what it is.
            Tree::Float(value) => write!(f, "{value:?}"),
            Tree::Text(text) => write_text(f, text),
            Tree::Bytes(bytes) => {
                f.write_str("x\"")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("\"")
            }
            Tree::Word(word) => f.write_str(word),
            Tree::List(elements) => {
                let elements = elements.iter().map(|element| element.to_string());
                write!(f, "[{}]", elements.collect::<Vec<_>>().join(","))
            }
            Tree::Fields(fields) => {
                let fields = fields.iter().map(|(name, tree)| format!("{name}:{tree}"));
                write!(f, "{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let first: String = text.chars().take(1).collect();
    if text.len() > 40 && first.repeat(text.len() / first.len()) == text {
        return write!(f, "\"{first}\"*{}", text.len() / first.len());
    }
    f.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            '\n' => f.write_str("\\n")?,
            letter if letter.is_control() => write!(f, "\\u{:04x}", u32::from(letter))?,
            letter => write!(f, "{letter}")?,
        }
    }
    f.write_str("\"")
}

#[test]
fn what_is_written_is_read() {
    let text =
        r#"{A:[1,-2,"b\"\n\u0000ü"],B:{C:null,D:true},E:x"00ff",F:<now>,G:1.5,H:$s,I:[],J:{},K:"z"*50}"#;
    assert_eq!(Tree::parse(text).unwrap().to_string(), text);
    assert_eq!(Tree::parse_first("{A:1} cut=3").unwrap().1, " cut=3");
    assert!(Tree::parse("{A:1").is_err() && Tree::parse("[nothing]").is_err());
}

#[test]
fn a_path_finds_the_first() {
    let tree = Tree::parse("{A:[{B:1},{B:2,C:3}]}").unwrap();
    assert_eq!(
        (tree.at("A.B"), tree.at("A.C"), tree.at("C")),
        (Some(&Tree::Int(1)), Some(&Tree::Int(3)), None)
    );
}
