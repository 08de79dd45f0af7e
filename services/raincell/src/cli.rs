//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::DateTime;
use thiserror::Error;

/// Rain-radar nowcasting: raw scans in, forecasts, maps and posts out.
#[derive(Debug, Parser)]
#[command(name = "raincell", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything in one process on simulated storms
    Demo(DemoArguments),
    /// All five services in one process on real sources
    Up(UpArguments),
    /// Decode, clean and grid raw scans: a frame file (ODIM_H5 COMP, RATE) a scan
    Prepare(PrepareArguments),
    /// Put the scans of many radars at one time together, each weighted with its quality
    Composite(CompositeArguments),
    /// Nowcast from a folder of frames as it would have been at a past time
    Hindcast(HindcastArguments),
    /// Score a nowcast against what then fell, with persistence beside it
    Verify(VerifyArguments),
    /// Draw frames or a nowcast as an animated GIF or a PNG
    Render(RenderArguments),
    /// Say what is in a raw file, or what exactly is wrong with it
    Inspect(InspectArguments),
    /// Make, back up, restore or check the database, or bring back what has expired
    Store(StoreArguments),
    /// Raw objects that were given up: list, show, have them tried once more
    DeadLetters(DeadLettersArguments),
    /// Posts about rain: list, show, send once more, or send one as a test
    Alerts(AlertsArguments),
    /// Look at configuration, services, database, sources, targets, clock, disk and certificates, and say what is wrong
    Doctor(DoctorArguments),
    /// Put files into an object store (S3): backups, logs of past days
    Archive(ArchiveArguments),
}

/// A command line that is well-formed and still cannot be followed: exit code 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UsageError(pub String);

#[derive(Args, Debug)]
pub struct DemoArguments {
    /// Port of the map and the public HTTP; 0 for any free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Where raw files, database and posts go; a temporary folder by default
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// How many times as fast as real time the demo's clock runs
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub speed: f64,
    /// Seed of the simulated weather
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

#[derive(Args, Debug)]
pub struct UpArguments {
    /// TOML file with a section for each service
    #[arg(long, conflicts_with_all = ["radar", "composite"])]
    pub config: Option<PathBuf>,
    /// One NEXRAD radar, KLOT for instance, from the public archive: nothing else to configure
    #[arg(long, value_name = "SITE", conflicts_with = "composite")]
    pub radar: Option<String>,
    /// The radar's real-time chunks instead: minutes earlier
    #[arg(long, requires = "radar")]
    pub realtime: bool,
    /// A composite that others publish
    #[arg(long, value_enum)]
    pub composite: Option<CompositeName>,
    /// Print the configuration of --radar or --composite, to be changed by hand, and stop
    #[arg(long)]
    pub print_config: bool,
}

/// Composites that are published for anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompositeName {
    /// Europe, 5 minutes
    Opera,
    /// Contiguous United States, 1 km, 2 minutes
    Mrms,
    /// Great Britain and Ireland, 1 km, 15 minutes
    Uk,
}

#[derive(Args, Debug)]
pub struct PrepareArguments {
    /// Raw files, or folders of real-time chunks
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Where frame files go
    #[arg(long)]
    pub out: PathBuf,
    /// TOML file; the recipe of its first source is used
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct CompositeArguments {
    /// Polar volumes of the radars, in one or more files each
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// ODIM_H5 COMP file to write (RATE, with a quality layer)
    #[arg(long)]
    pub out: PathBuf,
    /// TOML file; the recipe of its first source is used
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// A JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct HindcastArguments {
    /// Folder of ODIM_H5 COMP files (RATE, ACRR or DBZH)
    #[arg(long)]
    pub frames: PathBuf,
    /// Issue time (UTC); later frames are not looked at
    #[arg(long, value_parser = compact_time, value_name = "YYYYMMDDHHMM")]
    pub at: Timestamp,
    /// Steps ahead, each as long as the step between the frames
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=288))]
    pub steps: u16,
    /// Nowcast method
    #[arg(long, default_value = raincell_nowcasts::DEFAULT_METHOD)]
    pub method: String,
    /// Ensemble members to draw; with any, the file also holds them and probabilities
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=500))]
    pub members: u16,
    /// Seed of the ensemble
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// File to write: `X.tif` as GeoTIFF with a band a lead time, any other as CF-netCDF
    #[arg(long)]
    pub out: PathBuf,
}

#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// Folder of ODIM_H5 COMP files (RATE, ACRR or DBZH)
    #[arg(long)]
    pub frames: PathBuf,
    /// Nowcast as `raincell hindcast` writes it
    #[arg(long)]
    pub nowcast: PathBuf,
    /// JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// PNG file to draw the scores by lead time into
    #[arg(long)]
    pub plot: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct RenderArguments {
    /// Folder of ODIM_H5 COMP files
    #[arg(long, conflicts_with = "nowcast", required_unless_present = "nowcast")]
    pub frames: Option<PathBuf>,
    /// Nowcast as `raincell hindcast` writes it
    #[arg(long)]
    pub nowcast: Option<PathBuf>,
    /// `X.gif` for all times, `X.png` for the last one
    #[arg(long)]
    pub out: PathBuf,
}

#[derive(Args, Debug)]
pub struct InspectArguments {
    /// Raw file
    pub file: PathBuf,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct StoreArguments {
    /// TOML file; its [store] section names the database
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Make the DynamoDB table (or the SQLite file) where it is missing: on-demand capacity, time to live, point-in-time
    /// recovery
    Init,
    /// Copy the database to a new file; the services may go on meanwhile
    Backup {
        /// File to write, which must not be there yet
        #[arg(long)]
        to: PathBuf,
    },
    /// Put a backup into place; the services must be stopped. What was there is kept beside it
    Restore {
        /// Backup to read
        #[arg(long)]
        from: PathBuf,
    },
    /// Look at every page and every body
    Check,
    /// Bring back frames and nowcasts that have expired and are not removed yet, as if they were stored now
    Undelete {
        /// Only those of this source
        #[arg(long)]
        source: Option<String>,
    },
}

#[derive(Args, Debug)]
pub struct DeadLettersArguments {
    /// TOML file; its [store] section names the database
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// A line each
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one
    Show {
        /// Its number
        id: u64,
    },
    /// Ask for another try
    Replay {
        /// Their numbers
        #[arg(required = true)]
        ids: Vec<u64>,
    },
}

#[derive(Args, Debug)]
pub struct AlertsArguments {
    /// TOML file; its [store] section names the database, [alert] the places and targets
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: AlertsCommand,
}

#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// A line a post and target, the newest first
    List {
        /// The most lines
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one
    Show {
        /// Its key
        key: String,
    },
    /// Have posts that were given up sent all the same, however old
    Replay {
        /// Their keys
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Send a test post about a place to every target that is switched on
    Test {
        /// Name or id of a watched place
        #[arg(long)]
        place: String,
    },
}

#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// TOML file of the services
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Certificate (PEM) whose end is looked at; may be given several times
    #[arg(long)]
    pub certificate: Vec<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ArchiveArguments {
    /// Files; each keeps its name
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Where to: s3://BUCKET or s3://BUCKET/FOLDER. Credentials are looked for as by any AWS program
    #[arg(long)]
    pub to: String,
    /// Region of the bucket
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// Address of an S3 other than Amazon's
    #[arg(long, default_value = "")]
    pub endpoint: String,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1000.0 => Ok(value),
        _ => Err("expected a number above 0 and up to 1000".into()),
    }
}

fn compact_time(text: &str) -> Result<Timestamp, String> {
    let wrong = |_| format!("`{text}` is no UTC time like 201505151645");
    let time = DateTime::strptime("%Y%m%d%H%M", text).map_err(wrong)?;
    Ok(time.to_zoned(jiff::tz::TimeZone::UTC).map_err(wrong)?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_compact_time_is_utc() {
        assert_eq!(compact_time("201505151645"), Ok("2015-05-15T16:45:00Z".parse().unwrap()));
        assert!(compact_time("2015-05-15").unwrap_err().contains("2015-05-15"));
    }
}
