//! Columns that line up, for people.

use std::io::{self, Write};

/// Writes rows with each column as wide as its widest cell, two spaces between; no trailing
/// spaces. Control characters in cells (a title, an author) are shown as spaces.
pub(crate) fn write(out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let fill = width - cell.chars().count();
            line.extend(cell.chars().map(|c| if c.is_control() { ' ' } else { c }));
            line.extend(std::iter::repeat_n(' ', fill + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A row of a table.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters() {
        let mut out = Vec::new();
        let rows = [row(["NAME", "AT", ""]), row(["Zoë", "1\n2", "x"]), row(["longer", "3"])];
        write(&mut out, &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "NAME    AT\nZoë     1 2  x\nlonger  3\n");
    }
}
