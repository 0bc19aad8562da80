//! From text to a tree.
//!
//! ```text
//! comparison = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
//! sum        = product { ("+" | "-") product }
//! product    = signed { ("*" | "/") signed }
//! signed     = "-" signed | power
//! power      = primary [ "^" signed ]                      2^3^2 = 2^9, -2^2 = -4
//! primary    = number [ "[" unit "]" ] | "pi" | input | function "(" comparison { "," comparison } ")" | "(" comparison ")"
//! ```
//!
//! Invariant: a tree is at most [`DEPTH_MAX`] deep, so whoever walks it needs no limit of its own.

use crate::units::{Dimension, Unit};

const DEPTH_MAX: usize = 64;
const LENGTH_MAX: usize = 4096;

/// What two operands become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// A function with its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Function {
    If,
    Min,
    Max,
    Abs,
    Sqrt,
    Exp,
    Ln,
    Clamp,
}

/// Name, function, least and largest number of arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 8] = [
    ("if", Function::If, 3, 3),
    ("min", Function::Min, 2, 16),
    ("max", Function::Max, 2, 16),
    ("abs", Function::Abs, 1, 1),
    ("sqrt", Function::Sqrt, 1, 1),
    ("exp", Function::Exp, 1, 1),
    ("ln", Function::Ln, 1, 1),
    ("clamp", Function::Clamp, 3, 3),
];

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Node {
    /// In SI base units.
    Number(f64, Dimension),
    Input(usize),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

/// Whether `name` means something already and so cannot name an input.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == "pi" || FUNCTIONS.iter().any(|(function, ..)| *function == name)
}

/// Reads `text`; `input_of` gives the place of the input of a name. Errors say what is wrong and where.
pub(crate) fn parse(text: &str, input_of: &dyn Fn(&str) -> Option<usize>) -> Result<Node, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("is longer than {LENGTH_MAX} bytes"));
    }
    let mut parser = Parser { text, at: 0, depth: 0, input_of };
    let node = parser.comparison()?;
    if parser.peek().is_some() { Err(parser.wrong("an operator was expected")) } else { Ok(node) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    input_of: &'a dyn Fn(&str) -> Option<usize>,
}

impl<'a> Parser<'a> {
    fn comparison(&mut self) -> Result<Node, String> {
        const SIGNS: [(&str, Operator); 6] = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let left = self.sum()?;
        match self.take_any(&SIGNS) {
            Some(operator) => Ok(Node::Binary(operator, Box::new(left), Box::new(self.sum()?))),
            None => Ok(left),
        }
    }

    fn sum(&mut self) -> Result<Node, String> {
        self.chain(&[("+", Operator::Add), ("-", Operator::Subtract)], Self::product)
    }

    fn product(&mut self) -> Result<Node, String> {
        self.chain(&[("*", Operator::Multiply), ("/", Operator::Divide)], Self::signed)
    }

    /// Operands of equal rank, from the left. A chain of n operands is n deep.
    fn chain(
        &mut self,
        signs: &[(&str, Operator)],
        operand: fn(&mut Self) -> Result<Node, String>,
    ) -> Result<Node, String> {
        let depth = self.depth;
        let mut left = operand(self)?;
        while let Some(operator) = self.take_any(signs) {
            self.deeper()?;
            left = Node::Binary(operator, Box::new(left), Box::new(operand(self)?));
        }
        self.depth = depth;
        Ok(left)
    }

    fn signed(&mut self) -> Result<Node, String> {
        if !self.take("-") {
            return self.power();
        }
        self.deeper()?;
        let node = Node::Negate(Box::new(self.signed()?));
        self.depth -= 1;
        Ok(node)
    }

    fn power(&mut self) -> Result<Node, String> {
        let base = self.primary()?;
        if !self.take("^") {
            return Ok(base);
        }
        self.deeper()?;
        let node = Node::Binary(Operator::Power, Box::new(base), Box::new(self.signed()?));
        self.depth -= 1;
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node, String> {
        match self.peek() {
            Some('(') => self.parenthesis(),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.word(),
            Some(_) => Err(self.wrong("a number, an input or a function was expected")),
            None => Err("ends where a number, an input or a function was expected".to_owned()),
        }
    }

    fn parenthesis(&mut self) -> Result<Node, String> {
        self.deeper()?;
        self.expect("(")?;
        let node = self.comparison()?;
        self.expect(")")?;
        self.depth -= 1;
        Ok(node)
    }

    fn number(&mut self) -> Result<Node, String> {
        let rest = &self.text[self.at..];
        let is_part = |(index, c): (usize, char)| {
            let after_e = index > 0 && matches!(rest.as_bytes()[index - 1], b'e' | b'E');
            c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E') || (after_e && matches!(c, '+' | '-'))
        };
        let length = rest.char_indices().find(|place| !is_part(*place)).map_or(rest.len(), |(index, _)| index);
        let number: f64 = rest[..length].parse().map_err(|_| self.wrong("this is no number"))?;
        self.at += length;
        if !self.take("[") {
            return Ok(Node::Number(number, Dimension::NONE));
        }
        let rest = &self.text[self.at..];
        let end = rest.find(']').ok_or_else(|| self.wrong("the unit does not end with `]`"))?;
        let unit = Unit::parse(&rest[..end])?;
        self.at += end + 1;
        Ok(Node::Number(unit.to_si(number), unit.dimension))
    }

    fn word(&mut self) -> Result<Node, String> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = &rest[..length];
        if let Some((name, function, least, most)) = FUNCTIONS.iter().find(|(name, ..)| *name == word) {
            self.at += length;
            let arguments = self.arguments()?;
            if !(*least..=*most).contains(&arguments.len()) {
                let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
                return Err(format!("`{name}` takes {wanted} arguments, not {}", arguments.len()));
            }
            return Ok(Node::Call(*function, arguments));
        }
        let node = match word {
            "pi" => Node::Number(std::f64::consts::PI, Dimension::NONE),
            _ => Node::Input((self.input_of)(word).ok_or_else(|| self.wrong("this is no input and no function"))?),
        };
        self.at += length;
        Ok(node)
    }

    fn arguments(&mut self) -> Result<Vec<Node>, String> {
        self.deeper()?;
        self.expect("(")?;
        let mut arguments = vec![self.comparison()?];
        while self.take(",") {
            arguments.push(self.comparison()?);
        }
        self.expect(")")?;
        self.depth -= 1;
        Ok(arguments)
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(format!("is nested deeper than {DEPTH_MAX} levels")) } else { Ok(()) }
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_there = self.peek().is_some() && self.text[self.at..].starts_with(sign);
        self.at += if is_there { sign.len() } else { 0 };
        is_there
    }

    fn take_any(&mut self, signs: &[(&str, Operator)]) -> Option<Operator> {
        signs.iter().find(|(sign, _)| self.take(sign)).map(|(_, operator)| *operator)
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(self.wrong(&format!("`{sign}` was expected"))) }
    }

    fn wrong(&self, reason: &str) -> String {
        let rest: String = self.text[self.at..].chars().take(12).collect();
        if rest.is_empty() { format!("ends early: {reason}") } else { format!("at `{rest}`: {reason}") }
    }
}
