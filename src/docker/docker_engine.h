// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "docker/docker_network.h"

namespace flannel {

// What the host shows of Docker and its network without asking Docker. Another value means that
// Docker was started or stopped, or that the network was made or removed.
struct DockerSigns {
  using Mark =
      std::pair<std::uint64_t, std::int64_t>;  // the inode, and the time of the last change

  std::optional<Mark> socket;    // nullopt: there is none, or `hidden`
  std::string hidden = {};       // why this process cannot see whether there is one; empty: it can
  std::optional<Mark> pid_file;  // docker.pid beside the socket; nullopt: there is none
  unsigned bridge = 0;           // the index of the network's bridge; 0: there is none

  bool operator==(const DockerSigns&) const = default;
};

// Docker on this host. Loop thread only.
class DockerEngine {
 public:
  virtual ~DockerEngine() = default;

  // Takes microseconds.
  virtual DockerSigns signs(const std::string& bridge) const = 0;

  // One call at a time. A callback runs once, in a later turn, never after this object was
  // destroyed, and may make the next call. ErrorKind::unavailable: there is no Docker that answers;
  // other kinds: it refuses, or does not answer in time.
  virtual void list(std::function<void(Result<std::vector<DockerNetwork>>)> reply) = 0;
  virtual void make(const WishedNetwork& wished, std::function<void(Result<void>)> reply) = 0;

  // What is asked, for people: "/run/docker.sock".
  virtual std::string describe() const = 0;
};

}  // namespace flannel
