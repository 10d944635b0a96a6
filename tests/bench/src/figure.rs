//! A measured figure, its budget, and how both are shown.

/// What a figure must keep to.
#[derive(Clone, Copy)]
pub enum Budget {
    /// At most this many times the floor.
    Times(f64),
    /// At least this share of the floor.
    Share(f64),
    /// Less than the figure beside it.
    Less,
    /// No more than this far from the figure beside it.
    Within(f64),
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Shown for the reader only.
    None,
}

/// One row of the table.
pub struct Figure {
    pub name: &'static str,
    /// The floor's figure, or what the name says instead.
    pub beside: Option<f64>,
    pub value: f64,
    pub budget: Budget,
}

impl Figure {
    pub fn met(&self) -> bool {
        let beside = self.beside.unwrap_or(f64::NAN);
        match self.budget {
            Budget::Times(times) => self.value <= beside * times,
            Budget::Share(share) => self.value >= beside * share,
            Budget::Less => self.value < beside,
            Budget::Within(far) => (self.value - beside).abs() <= far,
            Budget::AtLeast(least) => self.value >= least,
            Budget::AtMost(most) => self.value <= most,
            Budget::None => true,
        }
    }

    /// Of two rounds of the same measurement: is this one nearer to the budget, or further within it?
    pub fn better_than(&self, other: &Self) -> bool {
        match self.budget {
            Budget::Share(_) | Budget::AtLeast(_) => self.ratio() > other.ratio(),
            _ => self.ratio() < other.ratio(),
        }
    }

    fn ratio(&self) -> f64 {
        self.beside.map_or(self.value, |beside| self.value / beside)
    }

    pub fn row(&self) -> String {
        let beside = self.beside.map(number).unwrap_or_default();
        let ratio = match self.beside {
            Some(beside) if beside > 0.0 => format!("{:.2}", self.value / beside),
            _ => String::new(),
        };
        format!(
            "| {} | {} | {} | {} | {} |",
            self.name,
            beside,
            number(self.value),
            ratio,
            self.budget()
        )
    }

    /// What is said of it beside pass or fail; nothing without a budget.
    pub fn verdict(&self) -> Option<String> {
        let value = match self.budget {
            Budget::None => return None,
            Budget::Times(_) | Budget::Share(_) => format!("{:.2} times the floor", self.ratio()),
            Budget::Less | Budget::Within(_) => {
                format!("{} beside {}", number(self.value), number(self.beside.unwrap_or(f64::NAN)))
            }
            Budget::AtLeast(_) | Budget::AtMost(_) => number(self.value),
        };
        Some(format!("{}: {value} (budget: {})", self.name, self.budget()))
    }

    fn budget(&self) -> String {
        match self.budget {
            Budget::Times(times) => format!("≤ {times} ×"),
            Budget::Share(share) => format!("≥ {share} ×"),
            Budget::Less => "less".to_string(),
            Budget::Within(far) => format!("± {}", number(far)),
            Budget::AtLeast(least) => format!("≥ {}", number(least)),
            Budget::AtMost(most) => format!("≤ {}", number(most)),
            Budget::None => String::new(),
        }
    }
}

/// Three digits are more than the machines are steady to, but counts are shown in full.
fn number(value: f64) -> String {
    let decimals = if value.fract() == 0.0 || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}
