//! What the measurements came to: medians, ranges and ratios, as a table for people or as
//! JSON.

use serde::Serialize;

use crate::rows::{Better, Row};

/// Figures of one row, a pair for each round.
#[derive(Debug, Serialize)]
pub struct Result {
    /// The row's name.
    pub row: &'static str,
    /// What it measures.
    pub title: &'static str,
    /// What the figures count.
    pub unit: &'static str,
    /// Stead's, round by round.
    pub stead: Vec<f64>,
    /// workerd's, round by round.
    pub workerd: Vec<f64>,
    /// The ratio that must be reached, Stead by workerd.
    pub target: f64,
    /// Whether the median ratio reaches it.
    pub reached: bool,
    #[serde(skip)]
    limit: &'static str,
}

/// Median, least and greatest.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Spread {
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }
}

impl Result {
    /// Of the pairs that the rounds brought.
    pub fn new(row: &Row, stead: Vec<f64>, workerd: Vec<f64>) -> Result {
        let mut result = Result {
            row: row.name,
            title: row.title,
            unit: row.unit,
            stead,
            workerd,
            target: row.target,
            reached: false,
            limit: row.limit,
        };
        let ratio = result.ratio().median;
        result.reached = match row.better {
            Better::More => ratio >= row.target,
            Better::Less => ratio <= row.target,
        };
        result
    }

    /// Stead's figure by workerd's of the same round.
    pub fn ratio(&self) -> Spread {
        let pairs = self.stead.iter().zip(&self.workerd);
        Spread::of(pairs.map(|(stead, workerd)| stead / workerd))
    }

    /// Its line in the table.
    pub fn line(&self) -> String {
        let ratio = self.ratio();
        format!(
            "| {} | {} {} | {} {} | {:.2} ({:.2}-{:.2}) | {:.2} | {} | {} |",
            self.title,
            figure(Spread::of(self.stead.iter().copied()).median),
            self.unit,
            figure(Spread::of(self.workerd.iter().copied()).median),
            self.unit,
            ratio.median,
            ratio.min,
            ratio.max,
            self.target,
            if self.reached { "yes" } else { "**no**" },
            self.limit,
        )
    }
}

/// The head of the table.
pub const HEAD: &str = "| row | Stead | workerd | ratio, median (min-max) | target | reached | what limits Stead |\n\
                        |---|---|---|---|---|---|---|";

/// A figure with three digits that matter, thousands apart.
pub fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of([4.0, 1.0]).min, 1.0);
    }

    #[test]
    fn figures_are_easy_to_read() {
        assert_eq!(figure(1_234_567.8), "1,234,568");
        assert_eq!(figure(123.4), "123");
        assert_eq!(figure(1.234), "1.23");
    }
}
