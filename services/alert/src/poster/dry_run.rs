//! Posts as files: `<key>.txt` and `<key>.gif` in a folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tempfile::NamedTempFile;

use super::{Permit, Picture, PictureKind, PictureWish, PostError, PostText, Poster};

/// The most bytes of a picture.
const MOST_BYTES: usize = 3_000_000;

/// Writes posts into a folder. The text is written last, so that a post with a text is complete.
#[derive(Clone, Debug)]
pub struct DryRunPoster {
    folder: PathBuf,
}

impl DryRunPoster {
    /// Into `folder`, which is made with the first post.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, key: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{key}.{extension}"))
    }
}

#[async_trait]
impl Poster for DryRunPoster {
    fn name(&self) -> &'static str {
        "dry-run"
    }

    fn wishes(&self) -> Vec<PictureWish> {
        vec![PictureWish { kind: PictureKind::Gif, width: 720, height: 720, most_bytes: MOST_BYTES }]
    }

    async fn find(&self, post: &PostText, _permit: &Permit) -> Result<Option<String>, PostError> {
        let text = self.path(&post.key, "txt");
        match tokio::fs::try_exists(&text).await {
            Ok(there) => Ok(there.then(|| text.display().to_string())),
            Err(source) => Err(PostError::Write { path: text, source }),
        }
    }

    async fn send(&self, post: &PostText, picture: Option<&Picture>, permit: &Permit) -> Result<String, PostError> {
        if !permit.holds() {
            return Err(PostError::LeaseLost { target: self.name(), step: "write" });
        }
        let (text, gif) = (self.path(&post.key, "txt"), self.path(&post.key, "gif"));
        let (words, picture) = (format!("{}\n", post.text), picture.cloned());
        let written = tokio::task::spawn_blocking(move || {
            if let Some(picture) = picture {
                write_whole(&gif, &picture.bytes)?;
            }
            write_whole(&text, words.as_bytes())?;
            Ok(text.display().to_string())
        });
        let cut_off = |error| PostError::Write { path: self.folder.clone(), source: std::io::Error::other(error) };
        written.await.map_err(cut_off)?
    }
}

/// Writes a file that is either whole or not there.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PostError> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = new_hidden_file(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| PostError::Write { path: path.to_owned(), source })
}

fn new_hidden_file(folder: &Path) -> std::io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    // Readable for whoever shows the posts; the default is for secrets.
    let readable = std::fs::Permissions::from_mode(0o644);
    tempfile::Builder::new().prefix(".post-").permissions(readable).tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use raincell_api_types::alerts::RainEvent;

    use super::*;

    fn post() -> PostText {
        PostText {
            key: "20260101T143500Z-harbour-town-coming".into(),
            text: "Rain coming.".into(),
            other_text: "Rain coming.".into(),
            event: RainEvent::default(),
            reply_to: None,
            waiting: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn a_post_is_a_text_and_a_picture_and_sending_it_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let poster = DryRunPoster::new(folder.path().join("posts"));
        let (post, permit) = (post(), Permit::always());
        let gif = Picture { bytes: b"GIF89a".as_slice().into(), media_type: "image/gif", width: 720, height: 720 };
        assert_eq!(poster.find(&post, &permit).await.unwrap(), None);
        let place = poster.send(&post, Some(&gif), &permit).await.unwrap();
        assert_eq!(poster.find(&post, &permit).await.unwrap(), Some(place.clone()));
        assert_eq!(poster.send(&post, Some(&gif), &permit).await.unwrap(), place);
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join("posts"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [format!("{}.gif", post.key), format!("{}.txt", post.key)]);
        assert_eq!(std::fs::read_to_string(place).unwrap(), "Rain coming.\n");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let poster = DryRunPoster::new(file.path().join("posts"));
        let error = poster.send(&post(), None, &Permit::always()).await.unwrap_err().to_string();
        assert!(error.contains("posts") && error.contains("coming.txt"), "{error}");
    }
}
