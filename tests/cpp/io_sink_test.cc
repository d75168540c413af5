// Atomic files: what they leave behind in every ending, and what they say.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "io/sink.h"
#include "io/source.h"
#include "io_temporary.h"
#include "taper/error.h"

namespace taper::io {
namespace {

using testing::message_of;
using testing::read_file;
using testing::TemporaryDirectory;
using testing::write_file;

void save(const std::string& path, const std::string& content) {
  AtomicFile file(path);
  file.write(content.data(), content.size());
  file.commit();
}

mode_t mode_of(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(AtomicFile, WritesAndReplaces) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.bin";
  save(path, "first");
  EXPECT_EQ(read_file(path), "first");
  save(path, "second, longer");
  EXPECT_EQ(read_file(path), "second, longer");
  EXPECT_EQ(directory.entries(), 1u);
}

TEST(AtomicFile, PatchesEarlierBytes) {
  const TemporaryDirectory directory;
  AtomicFile file(directory / "a.bin");
  file.write("....tail", 8);
  file.patch(0, "head", 4);
  file.commit();
  EXPECT_EQ(read_file(directory / "a.bin"), "headtail");
}

TEST(AtomicFile, WithoutCommitKeepsTheOldFile) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.bin";
  save(path, "old");
  {
    AtomicFile file(path);
    file.write("new", 3);
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(directory.entries(), 1u);
}

TEST(AtomicFile, KeepsPermissionsAndHonoursUmask) {
  const TemporaryDirectory directory;
  const mode_t old_mask = ::umask(027);
  save(directory / "new", "x");
  ::umask(old_mask);
  EXPECT_EQ(mode_of(directory / "new"), 0640u);
  ::chmod((directory / "new").c_str(), 0604);
  save(directory / "new", "y");
  EXPECT_EQ(mode_of(directory / "new"), 0604u);
}

TEST(AtomicFile, FollowsSymbolicLinks) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory.path() / "sub");
  save(directory / "sub/real", "old");
  std::filesystem::create_symlink("sub/real", directory.path() / "link");
  std::filesystem::create_symlink("sub/absent", directory.path() / "dangling");
  save(directory / "link", "new");
  save(directory / "dangling", "made");
  EXPECT_TRUE(std::filesystem::is_symlink(directory.path() / "link"));
  EXPECT_EQ(read_file(directory / "sub/real"), "new");
  EXPECT_EQ(read_file(directory / "sub/absent"), "made");
}

TEST(AtomicFile, LongNamesFit) {
  const TemporaryDirectory directory;
  const std::string path = directory / std::string(255, 'n');
  save(path, "x");
  EXPECT_EQ(read_file(path), "x");
}

TEST(AtomicFile, SaysWhatIsWrong) {
  const TemporaryDirectory directory;
  const std::string missing = directory / "no/such/dir.bin";
  EXPECT_EQ(message_of<IOError>([&] { save(missing, "x"); }),
            "cannot create a file beside '" + missing + "': No such file or directory");
  const std::string folder = directory.path().string();
  EXPECT_EQ(message_of<IOError>([&] { save(folder, "x"); }), "cannot write '" + folder + "': Is a directory");
  EXPECT_EQ(message_of<IOError>([&] { save("", "x"); }), "cannot write a file: its path is empty");
}

TEST(AtomicFile, WritesDevicesDirectly) {
  save("/dev/null", "x");
  struct stat status;
  ASSERT_EQ(::stat("/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  EXPECT_EQ(message_of<IOError>([] { save("/dev/full", std::string(100000, 'x')); }),
            "cannot write '/dev/full': No space left on device");
}

TEST(AtomicFile, KeepsTheOldFileWhenTheNewOneDoesNotFit) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.bin";
  save(path, "old");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{10000, 10000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      save(path, std::string(100000, 'x'));
    } catch (const IOError& error) {
      ::_exit(std::string(error.what()) == "cannot write '" + path + "': File too large" ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(directory.entries(), 1u);
}

TEST(Source, NamesMissingFilesAndFolders) {
  const TemporaryDirectory directory;
  const std::string missing = directory / "absent", folder = directory.path().string();
  EXPECT_EQ(message_of<IOError>([&] { open_file(missing); }),
            "cannot open '" + missing + "': No such file or directory");
  EXPECT_EQ(message_of<IOError>([&] { open_file(folder); }),
            "cannot read '" + folder + "': it is a directory");
}

TEST(Source, NoticesTruncationAndChange) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.bin";
  write_file(path, std::string(1000, 'x'));
  const auto source = open_file(path);
  std::string bytes(1000, '\0');
  source->read(0, bytes.data(), 1000);
  source->check_unchanged();
  std::filesystem::resize_file(path, 10);
  EXPECT_EQ(message_of<IOError>([&] { source->read(0, bytes.data(), 1000); }),
            "'" + path + "' ends at byte 10, 990 bytes too early; it had 1000 bytes when it was opened");
  EXPECT_THROW(source->check_unchanged(), IOError);
}

}  // namespace
}  // namespace taper::io
