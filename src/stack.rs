//! Places in the user's files that stacks and the console name as URLs: `file:///app/a.ts:1:2`.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Location;

impl Location {
    /// The first line of a stack that is in a file of the user's: `at f (file:///a/b.ts:1:2)`.
    pub fn of_stack(stack: &str) -> Option<Location> {
        stack.lines().find_map(|line| {
            let at = line.find("file://")?;
            Location::of_url(line[at..].trim_end_matches(')'))
        })
    }

    /// A file's URL with line and column.
    pub fn of_url(place: &str) -> Option<Location> {
        let (rest, column) = place.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        Some(Location {
            file: url::Url::parse(file).ok()?.to_file_path().ok()?,
            line: line.parse().ok().filter(|line| *line > 0)?,
            column: column.parse().ok().filter(|column| *column > 0)?,
            length: 1,
        })
    }

    /// As it is shown to somebody who works in `folder`: its files are named from there.
    pub fn near(&self, folder: &Path) -> String {
        let file = self.file.strip_prefix(folder).unwrap_or(&self.file);
        format!("{}:{}:{}", file.display(), self.line, self.column)
    }
}

impl Diagnostic {
    /// The lines of the user's file that a stack comes from, with the place above them. Reads the
    /// file.
    pub fn frame_of_stack(stack: &str, colors: bool) -> Option<String> {
        let location = Location::of_stack(stack)?;
        let source = std::fs::read_to_string(&location.file).ok()?;
        let line = location.line;
        let lines = Diagnostic::default().at(location, &source);
        // The file may have become shorter since.
        lines.frame.last().filter(|last| last.number == line)?;
        let frame = lines.render_frame_alone(colors);
        Some(frame.trim_start_matches('\n').to_owned()).filter(|frame| !frame.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_points_at_the_first_file_of_the_users() {
        let stack = "Error: x\n    at ext:core/a.js:1:1\n    at f (file:///app/a%20b.ts:12:3)\n    at file:///app/c.ts:1:1";
        let location = Location::of_stack(stack).unwrap();
        assert_eq!(location.to_string(), "/app/a b.ts:12:3");
        assert!(Location::of_stack("Error: x").is_none());
    }

    #[test]
    fn a_place_is_named_from_the_folder_that_it_is_in() {
        let location = Location::of_url("file:///app/src/a.ts:3:4").unwrap();
        assert_eq!(location.near(Path::new("/app")), "src/a.ts:3:4");
        assert_eq!(location.near(Path::new("/other")), "/app/src/a.ts:3:4");
    }

    #[test]
    fn the_lines_of_a_stack_are_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.ts");
        std::fs::write(&file, "let a;\nthrow a;\n").unwrap();
        let stack = format!(
            "Error\n    at ext:a.js:1:1\n    at file://{}:2:1",
            file.display()
        );
        assert_eq!(
            Diagnostic::frame_of_stack(&stack, false).unwrap(),
            "  |\n1 | let a;\n2 | throw a;\n  | ^"
        );
        std::fs::remove_file(&file).unwrap();
        assert_eq!(Diagnostic::frame_of_stack(&stack, false), None);
    }
}
