//! The inputs and outputs of a run.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use sam2_model::atomic::{self, FileId};
use sam2_model::models::checkpoint_files;

use crate::error::MediaError;

/// Levels of folders that are searched below a folder of inputs.
const ALL_LEVELS: usize = 16;

/// Everything that a run reads, and everything that it may write.
#[derive(Debug, Default)]
pub struct Plan {
    inputs: Vec<Input>,
    files: Vec<PathBuf>,
    lists: Vec<PathBuf>,
    series: Vec<Series>,
}

#[derive(Debug)]
struct Input {
    path: PathBuf,
    /// Levels of folders, if it is one: 1 is the files in it.
    levels: usize,
    /// Whether new files in it would be read as further frames or masks.
    is_series: bool,
}

/// Files in a folder that belong to the run, by their names.
struct Series {
    folder: PathBuf,
    is_own: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Series").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Plan {
    /// A file is read, or the files in a folder; `-` is stdin.
    pub fn reads(&mut self, path: impl Into<PathBuf>) {
        self.inputs.push(Input { path: path.into(), levels: 1, is_series: false });
    }

    /// A checkpoint is read: a file, a folder, or the index of the files that hold it.
    pub fn reads_checkpoint(&mut self, path: &Path) {
        self.reads(path);
        // What is wrong with an index is said when the checkpoint is opened, before anything is written.
        checkpoint_files(path).unwrap_or_default().into_iter().for_each(|file| self.reads(file));
    }

    /// A clip is read: a file, or a folder of frames, into which no mask may be written.
    pub fn reads_frames(&mut self, path: impl Into<PathBuf>) {
        self.inputs.push(Input { path: path.into(), levels: 1, is_series: true });
    }

    /// A folder of masks is read, which may have a folder per object.
    pub fn reads_masks(&mut self, path: impl Into<PathBuf>) {
        self.inputs.push(Input { path: path.into(), levels: 2, is_series: true });
    }

    /// Everything below a folder is read.
    pub fn reads_tree(&mut self, path: impl Into<PathBuf>) {
        self.inputs.push(Input { path: path.into(), levels: ALL_LEVELS, is_series: false });
    }

    /// A file is written; one of this name is replaced.
    pub fn writes(&mut self, path: impl Into<PathBuf>) {
        self.files.push(path.into());
    }

    /// A list of the run's files is written when they are complete.
    pub fn writes_list(&mut self, path: impl Into<PathBuf>) {
        self.lists.push(path.into());
    }

    /// Files are written into `folder`: those whose names `is_own` accepts belong to the run.
    pub fn writes_series(
        &mut self,
        folder: impl Into<PathBuf>,
        is_own: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) {
        self.series.push(Series { folder: folder.into(), is_own: Box::new(is_own) });
    }

    /// Checks that no output is an input: the same file on the same device, whatever the names and through
    /// links. Nor may stdout be an input, or a folder of masks a folder of frames.
    ///
    /// # Errors
    /// [`MediaError::OutputIsInput`] or [`MediaError::FolderIsInput`].
    pub fn check(&self) -> Result<(), MediaError> {
        for series in &self.series {
            let Some(id) = FileId::of(&series.folder) else { continue };
            if let Some(input) = self.inputs.iter().find(|input| input.is_series && input.has_folder(&id)) {
                let (folder, input) = (series.folder.clone(), input.path.clone());
                return Err(MediaError::FolderIsInput { folder, input });
            }
        }
        let files = self.files.iter().chain(&self.lists).cloned();
        let mut written: HashMap<FileId, PathBuf> =
            files.filter_map(|path| Some((FileId::of(&path)?, path))).collect();
        for path in self.series.iter().flat_map(Series::present) {
            written.extend(FileId::of(&path).map(|id| (id, path)));
        }
        written.extend(FileId::of_stdout().map(|id| (id, PathBuf::from("stdout"))));
        if written.is_empty() {
            return Ok(());
        }
        for input in &self.inputs {
            let mut clash = None;
            input.visit(&mut |path, id| {
                if let Some(output) = written.get(&id) {
                    clash.get_or_insert((output.clone(), path.to_owned()));
                }
                clash.is_none()
            });
            if let Some((output, input)) = clash {
                return Err(MediaError::OutputIsInput { output, input });
            }
        }
        Ok(())
    }

    /// Checks that another file, whose name became known later, is none of the inputs.
    ///
    /// # Errors
    /// [`MediaError::OutputIsInput`].
    pub fn check_output(&self, output: &Path) -> Result<(), MediaError> {
        let Some(id) = FileId::of(output) else { return Ok(()) };
        let mut clash = None;
        for input in &self.inputs {
            input.visit(&mut |path, other| {
                if other == id {
                    clash = Some(path.to_owned());
                }
                clash.is_none()
            });
        }
        clash.map_or(Ok(()), |input| Err(MediaError::OutputIsInput { output: output.to_owned(), input }))
    }

    /// Refuses a folder that holds files of an earlier run, unless they are to be replaced.
    ///
    /// # Errors
    /// [`MediaError::EarlierRun`]; or [`MediaError::OutputIsFolder`] if a folder has the name of a file of
    /// the run. A list beside such a folder is not that of a finished run and is removed.
    pub fn refuse_earlier(&self, overwrite: bool) -> Result<(), MediaError> {
        let earlier: Vec<PathBuf> = self.earlier().collect();
        if let Some(folder) = earlier.iter().find(|path| path.is_dir() && !path.is_symlink()) {
            remove(self.lists.iter().filter(|list| list.is_file()))?;
            return Err(MediaError::OutputIsFolder(folder.clone()));
        }
        match earlier.first() {
            Some(first) if !overwrite => {
                Err(MediaError::EarlierRun { first: first.clone(), others: earlier.len() - 1 })
            }
            _ => Ok(()),
        }
    }

    /// Removes the files of an earlier run: the lists first, so that what remains after an interruption does
    /// not look finished.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn clear(&self) -> Result<(), MediaError> {
        let earlier: Vec<PathBuf> = self.earlier().collect();
        remove(earlier.iter())
    }

    /// Files of an earlier run, the lists first.
    fn earlier(&self) -> impl Iterator<Item = PathBuf> {
        let lists = self.lists.iter().filter(|path| path.symlink_metadata().is_ok()).cloned();
        lists.chain(self.series.iter().flat_map(Series::present))
    }
}

fn remove<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), MediaError> {
    for path in paths {
        let replaced = |source| MediaError::Replace { path: path.clone(), source };
        atomic::remove(path).map_err(replaced)?;
    }
    Ok(())
}

impl Series {
    /// The entries of the folder that belong to the run, in the order of their names.
    fn present(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let own = entries.filter(|entry| (self.is_own)(&entry.file_name().to_string_lossy()));
        let mut paths: Vec<PathBuf> = own.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }
}

impl Input {
    /// Calls `visit` with every file of this input until it returns `false`.
    fn visit(&self, visit: &mut impl FnMut(&Path, FileId) -> bool) {
        if self.path == Path::new("-") {
            if let Some(id) = FileId::of_stdin() {
                visit(Path::new("stdin"), id);
            }
            return;
        }
        walk(&self.path, self.levels, &mut HashSet::new(), visit);
    }

    /// Whether this is the folder `wanted` or has it as one of its folders.
    fn has_folder(&self, wanted: &FileId) -> bool {
        fn search(folder: &Path, levels: usize, wanted: &FileId) -> bool {
            if !folder.is_dir() {
                return false;
            }
            if FileId::of(folder).as_ref() == Some(wanted) {
                return true;
            }
            let below = || fs::read_dir(folder).into_iter().flatten().flatten();
            levels > 1 && below().any(|entry| search(&entry.path(), levels - 1, wanted))
        }
        search(&self.path, self.levels, wanted)
    }
}

/// Visits a file, or the files of a folder down to `levels`; each folder once. Returns whether to go on.
fn walk(
    path: &Path,
    levels: usize,
    seen: &mut HashSet<FileId>,
    visit: &mut impl FnMut(&Path, FileId) -> bool,
) -> bool {
    let Some(id) = FileId::of(path) else { return true };
    if !path.is_dir() {
        return visit(path, id);
    }
    if levels == 0 || !seen.insert(id) {
        return true;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).all(|below| walk(&below, levels - 1, seen, visit))
}
