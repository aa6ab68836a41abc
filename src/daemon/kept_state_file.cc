// SPDX-License-Identifier: Apache-2.0
#include "daemon/kept_state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/network_name.h"
#include "core/state_folder.h"

namespace flannel {
namespace {

Result<RestoredState> read_kept_state(const std::string& path) {
  const std::string packed = TRY(read_file(path, kMaxKeptState));
  const std::string text = TRY(gunzipped(packed, kMaxKeptState));
  return decode_kept_state(text);
}

Result<void> write_kept_state(const std::string& path, const KeptState& state,
                              const std::vector<ListedLease>& leases) {
  const std::string packed = TRY(gzipped(encode_kept_state(state, leases)));
  TRY(write_file_atomically(path, packed, 0600));
  return {};
}

// So that a file that was removed does not come back with a power failure.
void sync_folder(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const Fd opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened) ::fsync(opened.get());
}

}  // namespace

// A prefix that becomes the name of another one costs nothing but the use of the file, which says
// for which store it is.
std::string kept_state_path(const std::string& state_folder, std::string_view prefix) {
  constexpr std::size_t kLongest = 200;
  std::string name;
  for (const char c : prefix.substr(0, kLongest)) {
    const bool is_plain = ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') ||
                          ('0' <= c && c <= '9') || c == '.' || c == '_';
    if (is_plain) name += c;
    if (!is_plain && !name.empty()) name += '-';
  }
  return fmt::format("{}/{}-{}.gz", state_folder, kKeptStateFile, name);
}

std::set<std::string> kept_networks(
    const std::string& state_folder, std::string_view prefix,
    const std::function<std::string(const std::string&)>& store_of) {
  std::set<std::string> names;
  const auto path_of = [&](std::string_view name) {
    return kept_state_path(state_folder, prefix_of_network(prefix, name));
  };
  const std::string_view end = "x.gz";
  std::string begin = path_of("x");
  begin.erase(begin.size() - end.size());
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(state_folder, ignored)) {
    const std::string path = state_folder + "/" + file.path().filename().string();
    if (!path.starts_with(begin) || path.size() < begin.size() + end.size()) continue;
    const std::string name = path.substr(begin.size(), path.size() - begin.size() - end.size() + 1);
    if (!check_network_name(name)) continue;
    if (KeptStateFile(path, store_of(name)).read()) names.insert(name);
  }
  return names;
}

KeptStateFile::~KeptStateFile() {
  if (thread_.joinable()) thread_.join();
}

std::optional<RestoredState> KeptStateFile::read() const {
  auto restored = read_kept_state(path_);
  if (!restored && restored.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!restored) {
    log::warning("what this host knew of the network cannot be used; it is asked of the store",
                 {{"file", path_}, {"why", restored.error().text}});
    return std::nullopt;
  }
  if (restored->state.store != store_) {
    log::info("what this host knew of the network is of another store, and is not used",
              {{"file", path_}, {"of", restored->state.store}, {"store", store_}});
    return std::nullopt;
  }
  return *std::move(restored);
}

void KeptStateFile::write(KeptState state, std::vector<ListedLease> leases) {
  state.store = store_;
  give({.state = std::move(state), .leases = std::move(leases)});
}

void KeptStateFile::remove() {
  give({.removes = true, .state = std::nullopt, .leases = {}});
}

void KeptStateFile::give(Job job) {
  const std::scoped_lock lock(mutex_);
  if (next_ && next_->removes) job.removes = true;
  next_ = std::move(job);
  if (is_busy_) return;
  if (thread_.joinable()) thread_.join();  // it has nothing more to do
  try {
    thread_ = start_without_signals([this] { run(); });
    is_busy_ = true;
  } catch (const std::system_error& error) {  // no more threads are allowed
    perform(*std::exchange(next_, std::nullopt));
  }
}

void KeptStateFile::run() {
  while (true) {
    std::optional<Job> job;
    {
      const std::scoped_lock lock(mutex_);
      job = std::exchange(next_, std::nullopt);
      if (!job) {
        is_busy_ = false;
        return;
      }
    }
    perform(*job);
  }
}

void KeptStateFile::perform(const Job& job) const {
  if (job.removes) remove_now();
  if (!job.state) return;
  const auto written = write_kept_state(path_, *job.state, job.leases);
  if (written) return;
  remove_now();
  log::warning(
      "what this host knows of the network cannot be kept; if the store is away at the next "
      "start, this host waits for it",
      {{"file", path_},
       {"why", written.error().text},
       {"remedy", "give a writable --state-dir with some megabytes of space"}});
}

void KeptStateFile::remove_now() const {
  if (::unlink(path_.c_str()) == 0) return sync_folder(path_);
  if (errno == ENOENT || errno == ENOTDIR) return;
  const Error why = os_error("remove it").value();
  if (::truncate(path_.c_str(), 0) == 0) return;
  log::warning("what this host knew of the network cannot be removed; delete the file",
               {{"file", path_}, {"why", why.text}});
}

}  // namespace flannel
