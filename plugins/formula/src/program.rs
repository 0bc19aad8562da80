//! From a tree to a flat list of steps on a stack, which is what runs for every row.
//!
//! A NaN that takes part is never lost: comparisons, `if`, `min`, `max` and `clamp` pass it on. Of `if`, both branches
//! are computed; the one not chosen does not matter.

use crate::check::constant;
use crate::parse::{Function, Node, Operator};

/// Whole exponents up to this are multiplied out, which is faster and the same to the bit everywhere.
const MULTIPLIED_MAX: f64 = 16.0;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    Number(f64),
    Input(usize),
    Negate,
    Binary(Operator),
    WholePower(i32),
    Call(Function),
}

/// A compiled expression. Its steps, run in order, leave exactly one value on the stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    steps: Vec<Step>,
}

impl Program {
    pub(crate) fn of(node: &Node) -> Program {
        let mut program = Program::default();
        program.add(node);
        program
    }

    /// The places of the inputs it reads, ascending.
    pub(crate) fn inputs(&self) -> Vec<usize> {
        let mut places: Vec<usize> = self.steps.iter().filter_map(Step::input).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn add(&mut self, node: &Node) {
        match node {
            Node::Number(number, _) => self.steps.push(Step::Number(*number)),
            Node::Input(place) => self.steps.push(Step::Input(*place)),
            Node::Negate(operand) => {
                self.add(operand);
                self.steps.push(Step::Negate);
            }
            Node::Binary(operator, left, right) => self.add_binary(*operator, left, right),
            Node::Call(function @ (Function::Min | Function::Max), arguments) => {
                self.add(&arguments[0]);
                for argument in &arguments[1..] {
                    self.add(argument);
                    self.steps.push(Step::Call(*function));
                }
            }
            Node::Call(function, arguments) => {
                arguments.iter().for_each(|argument| self.add(argument));
                self.steps.push(Step::Call(*function));
            }
        }
    }

    fn add_binary(&mut self, operator: Operator, left: &Node, right: &Node) {
        self.add(left);
        let whole = constant(right).filter(|exponent| exponent.fract() == 0.0 && exponent.abs() <= MULTIPLIED_MAX);
        match (operator, whole) {
            (Operator::Power, Some(exponent)) => self.steps.push(Step::WholePower(exponent as i32)),
            _ => {
                self.add(right);
                self.steps.push(Step::Binary(operator));
            }
        }
    }

    /// The value for `inputs`, by place. `stack` is scratch.
    pub(crate) fn run(&self, inputs: &[f64], stack: &mut Vec<f64>) -> f64 {
        stack.clear();
        for step in &self.steps {
            let value = match *step {
                Step::Number(number) => number,
                Step::Input(place) => inputs[place],
                Step::Negate => -pop(stack),
                Step::WholePower(exponent) => whole_power(pop(stack), exponent),
                Step::Binary(operator) => {
                    let right = pop(stack);
                    binary(operator, pop(stack), right)
                }
                Step::Call(function) => call(function, stack),
            };
            stack.push(value);
        }
        pop(stack)
    }
}

impl Step {
    fn input(&self) -> Option<usize> {
        match self {
            Step::Input(place) => Some(*place),
            _ => None,
        }
    }
}

fn pop(stack: &mut Vec<f64>) -> f64 {
    stack.pop().expect("a tree puts every operand on the stack before its operator")
}

fn binary(operator: Operator, left: f64, right: f64) -> f64 {
    let truth = |is_true: bool| if left.is_nan() || right.is_nan() { f64::NAN } else { f64::from(is_true) };
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Power => left.powf(right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
    }
}

fn call(function: Function, stack: &mut Vec<f64>) -> f64 {
    let last = pop(stack);
    match function {
        Function::Abs => last.abs(),
        Function::Sqrt => last.sqrt(),
        Function::Exp => last.exp(),
        Function::Ln => last.ln(),
        Function::Min => smaller(pop(stack), last),
        Function::Max => larger(pop(stack), last),
        Function::Clamp => {
            let low = pop(stack);
            smaller(larger(pop(stack), low), last)
        }
        Function::If => {
            let then = pop(stack);
            let condition = pop(stack);
            match condition {
                c if c.is_nan() => f64::NAN,
                0.0 => last,
                _ => then,
            }
        }
    }
}

fn smaller(left: f64, right: f64) -> f64 {
    if left < right || left.is_nan() { left } else { right }
}

fn larger(left: f64, right: f64) -> f64 {
    if left > right || left.is_nan() { left } else { right }
}

/// By squaring: the order of multiplications depends on the exponent alone.
fn whole_power(base: f64, exponent: i32) -> f64 {
    let (mut power, mut square, mut left) = (1.0, base, exponent.unsigned_abs());
    while left > 0 {
        if left & 1 == 1 {
            power *= square;
        }
        square *= square;
        left >>= 1;
    }
    if exponent < 0 { 1.0 / power } else { power }
}
