//! Dimensions of an expression: what may be added, compared and raised to a power.

use crate::parse::{Function, Node, Operator};
use crate::units::Dimension;

/// The dimension of `node`, given those of the inputs. Errors say what does not fit.
pub(crate) fn dimension(node: &Node, inputs: &[Dimension]) -> Result<Dimension, String> {
    match node {
        Node::Number(_, dimension) => Ok(*dimension),
        Node::Input(place) => Ok(inputs.get(*place).copied().unwrap_or_default()),
        Node::Negate(operand) => dimension(operand, inputs),
        Node::Binary(operator, left, right) => binary(*operator, left, right, inputs),
        Node::Call(function, arguments) => call(*function, arguments, inputs),
    }
}

fn binary(operator: Operator, left: &Node, right: &Node, inputs: &[Dimension]) -> Result<Dimension, String> {
    let (of_left, of_right) = (dimension(left, inputs)?, dimension(right, inputs)?);
    let absurd = || "an exponent of a unit is too large".to_owned();
    match operator {
        Operator::Multiply => of_left.times(of_right, 1).ok_or_else(absurd),
        Operator::Divide => of_left.times(of_right, -1).ok_or_else(absurd),
        Operator::Power => {
            alike("the exponent of `^`", of_right, Dimension::NONE)?;
            power(of_left, constant(right))
        }
        Operator::Add => alike("`+`", of_left, of_right),
        Operator::Subtract => alike("`-`", of_left, of_right),
        _ => alike("a comparison", of_left, of_right).map(|_| Dimension::NONE),
    }
}

fn power(base: Dimension, exponent: Option<f64>) -> Result<Dimension, String> {
    if base.is_none() {
        return Ok(base);
    }
    let exponent = exponent.ok_or_else(|| format!("`^` on {base} needs a constant exponent"))?;
    base.power(exponent).ok_or_else(|| format!("`^` on {base} cannot have the exponent {exponent}"))
}

fn call(function: Function, arguments: &[Node], inputs: &[Dimension]) -> Result<Dimension, String> {
    let of = arguments.iter().map(|argument| dimension(argument, inputs)).collect::<Result<Vec<_>, _>>()?;
    let all_alike = |name: &str| of.iter().try_fold(of[0], |first, next| alike(name, first, *next));
    match function {
        Function::If => {
            alike("the condition of `if`", of[0], Dimension::NONE)?;
            alike("`if`", of[1], of[2])
        }
        Function::Min => all_alike("`min`"),
        Function::Max => all_alike("`max`"),
        Function::Clamp => all_alike("`clamp`"),
        Function::Abs => Ok(of[0]),
        Function::Sqrt => power(of[0], Some(0.5)),
        Function::Exp => alike("`exp`", of[0], Dimension::NONE),
        Function::Ln => alike("`ln`", of[0], Dimension::NONE),
    }
}

fn alike(what: &str, left: Dimension, right: Dimension) -> Result<Dimension, String> {
    if left == right {
        return Ok(left);
    }
    Err(format!("{what} puts together {left} and {right}; give numbers their unit, as in 0[bar]"))
}

/// The value of a subtree of plain numbers.
pub(crate) fn constant(node: &Node) -> Option<f64> {
    match node {
        Node::Number(number, dimension) if dimension.is_none() => Some(*number),
        Node::Negate(operand) => constant(operand).map(|number| -number),
        Node::Binary(Operator::Divide, left, right) => Some(constant(left)? / constant(right)?),
        _ => None,
    }
}
