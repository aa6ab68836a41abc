// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/spawn.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <unistd.h>

extern char** environ;

namespace flannel {
namespace {

constexpr int kFourth = 3;

// Both are freed at the end.
struct SpawnFiles {
  SpawnFiles() { ::posix_spawn_file_actions_init(&actions); }
  ~SpawnFiles() { ::posix_spawn_file_actions_destroy(&actions); }
  SpawnFiles(const SpawnFiles&) = delete;
  SpawnFiles& operator=(const SpawnFiles&) = delete;
  posix_spawn_file_actions_t actions{};
};

struct SpawnAttributes {
  SpawnAttributes() { ::posix_spawnattr_init(&attributes); }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  posix_spawnattr_t attributes{};
};

void set_files(SpawnFiles& files, const SpawnCall& call) {
  ::posix_spawn_file_actions_adddup2(&files.actions, call.input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files.actions, call.output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files.actions, call.errors, STDERR_FILENO);
  // The last, because one of the others may have this number.
  if (call.fourth >= 0) {
    ::posix_spawn_file_actions_adddup2(&files.actions, call.fourth, kFourth);
  }
  if (!call.folder.empty()) {
    ::posix_spawn_file_actions_addchdir_np(&files.actions, call.folder.c_str());
  }
}

void set_attributes(SpawnAttributes& to, bool leads_group) {
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&to.attributes, &none);
  ::posix_spawnattr_setsigdefault(&to.attributes, &all);
  if (leads_group) ::posix_spawnattr_setpgroup(&to.attributes, 0);
  const int group = leads_group ? POSIX_SPAWN_SETPGROUP : 0;
  ::posix_spawnattr_setflags(
      &to.attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group));
}

// As posix_spawn() takes them, which does not change them.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts)
    pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<Fd> memory_file(const std::string& text) {
  Fd file{::memfd_create("program", MFD_CLOEXEC)};
  if (!file) return os_error("memfd_create");
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t now = ::write(file.get(), text.data() + written, text.size() - written);
    if (now < 0) return os_error("write the input");
    written += static_cast<std::size_t>(now);
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return os_error("lseek");
  return file;
}

Result<pid_t> spawn(const SpawnCall& call) {
  SpawnFiles files;
  SpawnAttributes attributes;
  set_files(files, call);
  set_attributes(attributes, call.leads_group);
  const std::vector<char*> arguments = pointers_to(call.words);
  const std::vector<char*> variables =
      call.environment ? pointers_to(*call.environment) : std::vector<char*>();
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, arguments[0], &files.actions, &attributes.attributes,
                                   arguments.data(), call.environment ? variables.data() : environ);
  if (failed != 0) return os_error("run " + call.words[0], failed);
  return pid;
}

}  // namespace flannel
