// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_socket.h"

#include <grp.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "docker/docker_messages.h"

namespace flannel {
namespace {

// Docker listens before it can answer: first it looks after its containers.
constexpr auto kLongestCall = std::chrono::seconds(60);

HttpAccess access_to(const std::string& path) {
  HttpAccess access;
  access.target.url = path;
  access.target.host = "docker";
  access.socket = path;
  return access;
}

std::optional<DockerSigns::Mark> mark_of(const std::filesystem::path& file) {
  struct stat found {};
  if (::stat(file.c_str(), &found) != 0) return std::nullopt;
  return DockerSigns::Mark{found.st_ino,
                           found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec};
}

std::string why_hidden(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0 || errno != EACCES) return "";
  return "look at " + path + ": permission denied; flanneld may not enter a folder of it";
}

// The group to which the socket is open, which flanneld lacks: "; it is open to the group docker".
std::string group_of(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0 || (found.st_mode & S_IWGRP) == 0) return "";
  std::vector<char> buffer(4096);
  group entry{};
  group* there = nullptr;
  ::getgrgid_r(found.st_gid, &entry, buffer.data(), buffer.size(), &there);
  const std::string name = there ? there->gr_name : std::to_string(found.st_gid);
  return "; it is open to the group " + name + ", of which flanneld is no member";
}

}  // namespace

DockerSocket::DockerSocket(std::string path, Loop& loop)
    : path_(std::move(path)), connection_(access_to(path_), false, loop), late_(loop, [this] {
        connection_.cut({ErrorKind::system, path_ + ": no answer in 60 s"});
      }) {}

DockerSigns DockerSocket::signs(const std::string& bridge) const {
  return {.socket = mark_of(path_),
          .hidden = why_hidden(path_),
          .pid_file = mark_of(std::filesystem::path(path_).parent_path() / "docker.pid"),
          .bridge = ::if_nametoindex(bridge.c_str())};
}

void DockerSocket::call(HttpCall call, const std::string& what,
                        std::function<void(Result<std::string>)> reply) {
  late_.arm_after(kLongestCall);
  const auto on_end = [this, what, reply = std::move(reply)](HttpEnd end) {
    late_.cancel();
    auto answer = docker_answer(std::move(end), what);
    // The HTTP client does not say why it could not connect by the kind of its error.
    const bool is_denied = !answer && ::access(path_.c_str(), W_OK) != 0 && errno == EACCES;
    if (is_denied) {
      answer.error().kind = ErrorKind::denied;
      answer.error().text += group_of(path_);
    }
    reply(std::move(answer));
  };
  connection_.send(std::move(call), {.on_head = {}, .on_end = on_end});
}

void DockerSocket::list(std::function<void(Result<std::vector<DockerNetwork>>)> reply) {
  call(docker_list_call(), "list Docker's networks",
       [reply = std::move(reply)](const Result<std::string>& body) {
         reply(body ? parse_docker_networks(*body) : Failure(body.error()));
       });
}

void DockerSocket::make(const WishedNetwork& wished, std::function<void(Result<void>)> reply) {
  call(docker_make_call(wished), "make Docker's network " + wished.name,
       [reply = std::move(reply)](const Result<std::string>& body) {
         reply(body ? Result<void>() : Failure(body.error()));
       });
}

}  // namespace flannel
