// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/kept_state.h"

namespace flannel {

// The file in the state folder that has what this host knows of one network
// (docs/kept-state.md). A thread writes it, since a disk may be slow; it runs only while there is
// something to write. Not thread-safe.
class KeptStateFile {
 public:
  // `store`: the text that names the store, for KeptState::store.
  KeptStateFile(std::string path, std::string store)
      : path_(std::move(path)), store_(std::move(store)) {}
  // Waits until what was given last is written.
  ~KeptStateFile();
  KeptStateFile(const KeptStateFile&) = delete;
  KeptStateFile& operator=(const KeptStateFile&) = delete;

  // Returns what the file has; nullopt: there is no file, or it is of no use, and why is logged.
  std::optional<RestoredState> read() const;

  // Replaces the file with mode 0600, atomically where its folder allows that. A failure is logged,
  // and there is no file then: it would have another lease, perhaps. If the thread is busy, of
  // several calls the last one has an effect.
  void write(KeptState state, std::vector<ListedLease> leases);
  // Removes the file, before any later call of write(). If that fails, it is emptied.
  void remove();

 private:
  struct Job {
    bool removes = false;            // at first
    std::optional<KeptState> state;  // nullopt: nothing is written
    std::vector<ListedLease> leases;
  };

  void give(Job job);
  void run();
  void perform(const Job& job) const;
  void remove_now() const;

  const std::string path_;
  const std::string store_;
  std::thread thread_;
  std::mutex mutex_;  // of the members below
  std::optional<Job> next_;
  bool is_busy_ = false;
};

// The path of the file for the network with this prefix in its store. Daemons of one host share a
// state folder, each with another prefix.
std::string kept_state_path(const std::string& state_folder, std::string_view prefix);

// Returns the names of the networks below `prefix` whose files in the folder are of use. Why
// another one is not is logged. `store_of`: returns the text that names the store of a network.
std::set<std::string> kept_networks(const std::string& state_folder, std::string_view prefix,
                                    const std::function<std::string(const std::string&)>& store_of);

}  // namespace flannel
