//! Records as drawings: a file for each family, throughput and p99 over clients, a line for each server and size.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::load::family::Family;
use crate::report::{Figures, Report};

const SIZE: (u32, u32) = (1_200, 480);
const LEGEND_WIDTH: i32 = 240;

/// Okabe and Ito's: told apart by everybody, on white and in print.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// One server with one size.
struct Line {
    label: String,
    /// Of the size: the same for every server.
    colour: usize,
    /// Of the server.
    marker: usize,
    cells: Vec<Figures>,
}

pub(crate) fn run(files: &[PathBuf], out: &Path) -> Result<()> {
    let reports = files.iter().map(|file| Report::read(file)).collect::<Result<Vec<_>>>()?;
    std::fs::create_dir_all(out)?;
    for family in Family::all() {
        let lines = lines(&reports, family);
        if !lines.is_empty() {
            let path = out.join(format!("{}.svg", family.name()));
            // Errors of drawing name borrowed things.
            draw(&path, family, &lines).map_err(|error| anyhow!("{}: {error}", path.display()))?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn lines(reports: &[Report], family: Family) -> Vec<Line> {
    let mut lines = BTreeMap::new();
    for (marker, report) in reports.iter().enumerate() {
        for cell in report.cells.iter().filter(|cell| cell.name.family == family.name()) {
            let label = format!("{} {}", report.server, cell.name.size_name());
            let line = Line { label, colour: 0, marker, cells: Vec::new() };
            lines.entry((cell.name.size_bytes, marker)).or_insert(line).cells.push(cell.clone());
        }
    }
    let mut sizes: Vec<u64> = lines.keys().map(|(size, _)| *size).collect();
    sizes.dedup();
    let coloured = lines.into_iter().map(|((size, _), mut line)| {
        line.colour = sizes.iter().position(|known| *known == size).unwrap_or_default();
        line.cells.sort_by_key(|cell| cell.name.clients);
        line
    });
    coloured.collect()
}

type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn draw(path: &Path, family: Family, lines: &[Line]) -> Drawn {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (panels, names) = root.split_horizontally(SIZE.0.cast_signed() - LEGEND_WIDTH);
    let panels = panels.split_evenly((1, 2));
    let name = family.name();
    panel(&panels[0], &format!("{name}: operations a second"), lines, |cell| cell.operations_per_second)?;
    panel(&panels[1], &format!("{name}: p99, ms"), lines, |cell| cell.p99_ms)?;
    legend(&names, lines)?;
    root.present()?;
    Ok(())
}

/// Both axes are logarithmic: clients are, and sizes are orders apart.
fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    title: &str,
    lines: &[Line],
    of: impl Fn(&Figures) -> f64,
) -> Drawn
where
    B::ErrorType: 'static,
{
    let cells = || lines.iter().flat_map(|line| &line.cells);
    let ends = |values: &dyn Fn(&Figures) -> f64| {
        let values: Vec<f64> = cells().map(values).filter(|value| value.is_finite() && *value > 0.0).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (!values.is_empty()).then_some((least * 0.8)..(most * 1.25))
    };
    let (Some(clients), Some(values)) = (ends(&|cell| cell.name.clients as f64), ends(&|cell| of(cell))) else {
        return Ok(());
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(clients.log_scale().base(2.0), values.log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("clients")
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for line in lines {
        let points: Vec<(f64, f64)> = line.cells.iter().map(|cell| (cell.name.clients as f64, of(cell))).collect();
        let colour = COLOURS[line.colour % COLOURS.len()];
        chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
        // The size has a colour, the server a shape.
        match line.marker {
            0 => drop(chart.draw_series(points.into_iter().map(|at| Circle::new(at, 4, colour.filled())))?),
            1 => drop(chart.draw_series(points.into_iter().map(|at| TriangleMarker::new(at, 6, colour.filled())))?),
            2 => drop(chart.draw_series(points.into_iter().map(|at| Cross::new(at, 5, colour.stroke_width(2))))?),
            _ => drop(chart.draw_series(points.into_iter().map(|at| Circle::new(at, 4, colour.stroke_width(2))))?),
        }
    }
    Ok(())
}

fn legend<B: DrawingBackend>(area: &DrawingArea<B, Shift>, lines: &[Line]) -> Drawn
where
    B::ErrorType: 'static,
{
    for (number, line) in lines.iter().enumerate() {
        let y = 48 + i32::try_from(number)? * 22;
        let colour = COLOURS[line.colour % COLOURS.len()];
        area.draw(&PathElement::new([(8, y), (36, y)], colour.stroke_width(2)))?;
        match line.marker {
            0 => area.draw(&Circle::new((22, y), 4, colour.filled()))?,
            1 => area.draw(&TriangleMarker::new((22, y), 6, colour.filled()))?,
            2 => area.draw(&Cross::new((22, y), 5, colour.stroke_width(2)))?,
            _ => area.draw(&Circle::new((22, y), 4, colour.stroke_width(2)))?,
        }
        area.draw(&Text::new(line.label.clone(), (44, y - 7), ("sans-serif", 14)))?;
    }
    Ok(())
}

/// `12k`, `1.5`, `0.02`.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", value / 1e6),
        1e3.. => format!("{}k", value / 1e3),
        _ => format!("{}", (value * 1e4).round() / 1e4),
    }
}
