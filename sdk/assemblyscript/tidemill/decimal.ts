// Decimal numbers to the nearest f64, ties to even, exactly: parameters must mean the same bits in every language. AssemblyScript's own
// parseFloat is not always the nearest.
//
// 1. Up to 15 digits and a power of ten up to 22 are both exact as f64, so one multiplication or division rounds correctly (Clinger, "How
//    to read floating point numbers accurately", 1990).
// 2. Everything else is a quotient of two large whole numbers, divided bit by bit.

const DIGITS_EXACT = 15;
const POWER_EXACT = 22;
/** Beyond these powers of ten (of the first digit) every number is infinite, or 0. */
const POWER_MAX = 400;

/** Whether `word` is a number as JSON writes them; zeros in front are let pass. */
export function isDecimal(word: string): bool {
  let at = word.startsWith("-") ? 1 : 0;
  const whole = digitsFrom(word, at);
  if (whole == 0) return false;
  at += whole;
  if (at < word.length && word.charAt(at) == ".") {
    const fraction = digitsFrom(word, at + 1);
    if (fraction == 0) return false;
    at += fraction + 1;
  }
  if (at < word.length && word.charAt(at).toLowerCase() == "e") {
    at++;
    if (at < word.length && "+-".includes(word.charAt(at))) at++;
    const exponent = digitsFrom(word, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == word.length;
}

function digitsFrom(word: string, start: i32): i32 {
  let at = start;
  while (at < word.length && isDigit(word.charCodeAt(at))) at++;
  return at - start;
}

function isDigit(c: i32): bool {
  return c >= 0x30 && c <= 0x39;
}

/** The number that a `word` of `isDecimal` means; infinite when it is too large. */
export function decimal(word: string): f64 {
  const digits: u8[] = [];
  let power = 0;
  let seenPoint = false;
  let at = word.startsWith("-") ? 1 : 0;
  for (; at < word.length; at++) {
    const c = word.charCodeAt(at);
    if (c == 0x2e) {
      seenPoint = true;
    } else if (isDigit(c)) {
      if (seenPoint) power--;
      if (digits.length > 0 || c != 0x30) digits.push(<u8>(c - 0x30));
    } else {
      power += exponent(word, at + 1);
      break;
    }
  }
  while (digits.length > 0 && digits[digits.length - 1] == 0) {
    digits.pop();
    power++;
  }
  const size = nearest(digits, power);
  return word.startsWith("-") ? -size : size;
}

/** The exponent that begins at `at`, cut off where it decides everything. */
function exponent(word: string, at: i32): i32 {
  const negative = word.charAt(at) == "-";
  let exponent = 0;
  for (; at < word.length; at++) {
    const c = word.charCodeAt(at);
    if (isDigit(c)) exponent = min(exponent * 10 + (c - 0x30), 1_000_000);
  }
  return negative ? -exponent : exponent;
}

function nearest(digits: u8[], power: i32): f64 {
  if (digits.length == 0) return 0;
  if (digits.length + power > POWER_MAX) return Infinity;
  if (digits.length + power < -POWER_MAX) return 0;
  if (digits.length <= DIGITS_EXACT && abs(power) <= POWER_EXACT) {
    let whole: f64 = 0;
    for (let i = 0; i < digits.length; i++) whole = whole * 10 + <f64>digits[i];
    let ten: f64 = 1;
    for (let i = abs(power); i > 0; i--) ten *= 10;
    return power < 0 ? whole / ten : whole * ten;
  }
  return divided(digits, power);
}

/** digits × 10^power as numerator ÷ denominator. */
function divided(digits: u8[], power: i32): f64 {
  const numerator: u32[] = [0];
  const denominator: u32[] = [1];
  for (let i = 0; i < digits.length; i++) multiply(numerator, 10, digits[i]);
  for (let i = abs(power); i > 0; i--) multiply(power < 0 ? denominator : numerator, 10, 0);
  // Scale by 2^-binary so that the quotient has 53 bits, or fewer where f64 has fewer: below 2^-1022.
  let binary = bits(numerator) - bits(denominator);
  shift(binary < 0 ? numerator : denominator, abs(binary));
  if (compare(numerator, denominator) < 0) {
    shift(numerator, 1);
    binary--;
  }
  const wanted = min(53, binary + 1075);
  if (wanted < 0) return 0;
  let quotient: u64 = 0;
  for (let bit = 0; bit < wanted; bit++) {
    quotient <<= 1;
    if (compare(numerator, denominator) >= 0) {
      subtract(numerator, denominator);
      quotient |= 1;
    }
    shift(numerator, 1);
  }
  const half = compare(numerator, denominator);
  if (half > 0 || (half == 0 && (quotient & 1) == 1)) quotient++;
  return scaled(quotient, binary - wanted + 1);
}

/** quotient × 2^binary, which is exact or infinite: in steps, because 2^binary alone may not be an f64. */
function scaled(quotient: u64, binary: i32): f64 {
  let value = <f64>quotient;
  for (; binary > 0; binary--) value *= 2;
  for (; binary < 0; binary++) value /= 2;
  return value;
}

// Large whole numbers: 32 bits per element, the lowest first, no zero at the end but for 0 itself.

function multiply(number: u32[], factor: u32, add: u32): void {
  let carry = <u64>add;
  for (let i = 0; i < number.length; i++) {
    carry += <u64>number[i] * factor;
    number[i] = <u32>carry;
    carry >>= 32;
  }
  if (carry != 0) number.push(<u32>carry);
}

function shift(number: u32[], by: i32): void {
  for (; by >= 31; by -= 31) multiply(number, 1 << 31, 0);
  multiply(number, 1 << by, 0);
}

function bits(number: u32[]): i32 {
  return 32 * number.length - clz(number[number.length - 1]);
}

function compare(a: u32[], b: u32[]): i32 {
  if (a.length != b.length) return a.length - b.length;
  for (let i = a.length - 1; i >= 0; i--) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

/** a −= b, where a ≥ b. */
function subtract(a: u32[], b: u32[]): void {
  let borrow: i64 = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = <i64>a[i] - (i < b.length ? <i64>b[i] : 0) + borrow;
    a[i] = <u32>difference;
    borrow = difference >> 32;
  }
  while (a.length > 1 && a[a.length - 1] == 0) a.pop();
}
