//! A small disk for Postgres that can be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use postgres::{Client, NoTls};

use super::Database;

/// A disk in memory, gone when dropped. Only for root, and not in every container.
pub struct Disk {
    home: PathBuf,
}

impl Disk {
    /// Mounts one beside the server's `home`, of the same owner. None, with a word, if that is not permitted.
    pub fn mount(home: &Path, megabytes: u32) -> Result<Option<Disk>> {
        let (owner, place) = (fs::metadata(home)?, home.join("disk"));
        fs::create_dir(&place)?;
        let options = format!("size={megabytes}m,mode=0700,uid={},gid={}", owner.uid(), owner.gid());
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&place).output();
        let disk = Disk { home: place };
        match mounted {
            Ok(output) if output.status.success() => {
                fs::create_dir(disk.tables())?;
                std::os::unix::fs::chown(disk.tables(), Some(owner.uid()), Some(owner.gid()))?;
                Ok(Some(disk))
            }
            _ => {
                let _ = writeln!(std::io::stderr(), "skipped: the disk cannot be full where nothing can be mounted");
                Ok(None)
            }
        }
    }

    /// Has the database put here, with what Postgres keeps of it for itself.
    pub fn hold(&self, database: &mut Database) -> Result<()> {
        let (server, name) = database.url.rsplit_once('/').context("the URL names no database")?;
        // A database moves while nobody has a session in it.
        database.client = Client::connect(&format!("{server}/postgres"), NoTls)?;
        database.client.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", self.tables().display()))?;
        database.client.batch_execute(&format!("ALTER DATABASE {name} SET TABLESPACE small"))?;
        database.reconnect()
    }

    /// Takes all the space, also that of the cache that a new session reads at its start, and writes where it is missing.
    pub fn fill_and_forget_cache(&self) -> Result<()> {
        loop {
            self.fill()?;
            // What it took up is free, until it is taken too; a session that begins meanwhile writes it again.
            let caches = self.caches()?;
            if caches.is_empty() {
                return Ok(());
            }
            caches.into_iter().try_for_each(fs::remove_file)?;
        }
    }

    fn caches(&self) -> Result<Vec<PathBuf>> {
        let mut caches = Vec::new();
        for version in fs::read_dir(self.tables())? {
            for database in fs::read_dir(version?.path())? {
                caches.push(database?.path().join("pg_internal.init"));
            }
        }
        caches.retain(|cache| cache.exists());
        Ok(caches)
    }

    fn tables(&self) -> PathBuf {
        self.home.join("tables")
    }

    /// Takes all the space that is left.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::options().create(true).append(true).open(self.ballast())?;
        let zeros = [0; 4_096];
        loop {
            match file.write_all(&zeros) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("the disk cannot be filled"),
            }
        }
    }

    /// Gives it back.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.home.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as the server may not have ended yet.
        let _ = Command::new("umount").arg("--lazy").arg(&self.home).status();
    }
}
