//! A file system of one's own on a loop device, whose power can be cut.
//!
//! Owns: the backing file, the mount, the copy that has only what was written through to the device.
//! Does not own: what runs on it.
//!
//! The file system's own page cache lies above the loop device, so a copy of the backing file lacks whatever was not synced
//! or written back. What was handed to the device is taken as kept, in order: a disk that loses or reorders its own cache
//! is not simulated.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Sparse: it takes what is written.
const DISK_BYTES: u64 = 1 << 30;

/// A mounted disk.
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
    /// Name in `/sys/block`.
    device: String,
}

fn run(program: &str, arguments: &[&Path]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Disk {
    /// Makes a disk in a folder and mounts it. Its journal commits only when asked, so that nothing is written that nobody
    /// synced.
    ///
    /// # Errors
    /// When loop devices are not to be had here.
    pub fn make(folder: &Path) -> Result<Self> {
        let image = folder.join("disk-0");
        std::fs::File::create(&image)?.set_len(DISK_BYTES)?;
        // No work in the background after mounting: it would look like writing.
        let options = Path::new("lazy_itable_init=0,lazy_journal_init=0,nodiscard");
        run("mkfs.ext4", &[Path::new("-q"), Path::new("-F"), Path::new("-E"), options, &image])?;
        Self::mount(image, folder.join("mount"))
    }

    fn mount(image: PathBuf, mount: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&mount)?;
        run("mount", &[Path::new("-o"), Path::new("loop,commit=600"), &image, &mount])?;
        let found = run("losetup", &[Path::new("-n"), Path::new("-O"), Path::new("NAME"), Path::new("-j"), &image]);
        let device = found.map(|name| name.trim_start_matches("/dev/").to_owned());
        // Made first, so that an error unmounts.
        let mut disk = Self { image, mount, device: String::new() };
        disk.device = device?;
        Ok(disk)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Copies what is on the device now: as it would be found after the power went. Whoever writes to the disk is paused.
    ///
    /// # Errors
    /// When the device does not come to rest: a copy made meanwhile would be of no one moment.
    pub fn image_now(&self) -> Result<PathBuf> {
        let number: u64 = self.image.to_string_lossy().rsplit('-').next().unwrap_or_default().parse()?;
        let copy = self.image.with_file_name(format!("disk-{}", number + 1));
        let began = Instant::now();
        loop {
            let before = self.written()?;
            std::thread::park_timeout(Duration::from_millis(20));
            run("cp", &[Path::new("--sparse=always"), &self.image, &copy])?;
            if before.is_some() && before == self.written()? {
                return Ok(copy);
            }
            if began.elapsed() > Duration::from_secs(20) {
                bail!("{} does not come to rest", self.device);
            }
        }
    }

    /// Unmounts this disk and mounts a copy of it in its place.
    ///
    /// # Errors
    /// When somebody still uses it.
    pub fn replace(self, image: PathBuf) -> Result<Self> {
        let mount = self.mount.clone();
        self.unmount()?;
        std::fs::remove_file(&self.image)?;
        // Dropping would unmount the copy.
        std::mem::forget(self);
        Self::mount(image, mount)
    }

    fn unmount(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            match run("umount", &[&self.mount]) {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > Duration::from_secs(10) => return Err(error),
                Err(_) => std::thread::park_timeout(Duration::from_millis(50)),
            }
        }
    }

    /// Requests and sectors written so far; none while some are under way (Documentation/block/stat.rst).
    fn written(&self) -> Result<Option<(u64, u64)>> {
        let stat = std::fs::read_to_string(format!("/sys/block/{}/stat", self.device))?;
        let fields: Vec<u64> = stat.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok((fields[8] == 0).then_some((fields[4], fields[6])))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.unmount().is_err() {
            // Detached at least, so that the folder can be removed.
            let _ = run("umount", &[Path::new("-l"), &self.mount]);
        }
    }
}
