//! The table formatter.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use tidemill_cli::table::Table;

fn table(header: &[&str], rows: &[&[&str]]) -> String {
    let mut out = Vec::new();
    let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let mut table = Table::new(&mut out, owned(header), false);
    rows.iter().for_each(|row| table.row(owned(row)).unwrap());
    table.finish().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn texts_align_left_and_numbers_right() {
    let expected = "\
unit  power
----  -----
T1      1.5
T10     -20
";
    assert_eq!(table(&["unit", "power"], &[&["T1", "1.5"], &["T10", "-20"]]), expected);
}

#[test]
fn no_rows_still_show_the_columns() {
    assert_eq!(table(&["a", "bb"], &[]), "a  bb\n-  --\n");
}

#[test]
fn a_value_cannot_steer_the_terminal() {
    assert!(table(&["a"], &[&["\x1b[31mred\n"]]).contains("\\u{1b}[31mred\\n"));
}

#[test]
fn widths_count_characters_and_long_cells_are_not_cut() {
    let long = "x".repeat(200);
    let out = table(&["name", "n"], &[&["Größe", "1"], &[&long, "2"]]);
    assert!(out.contains(&long));
    assert!(out.lines().nth(2).unwrap().starts_with("Größe "), "{out}");
}

#[test]
fn long_results_are_streamed_with_the_first_widths() {
    let rows: Vec<Vec<&str>> = vec![vec!["1"]; 2500];
    let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
    assert_eq!(table(&["n"], &rows).lines().count(), 2502);
}
