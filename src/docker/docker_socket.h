// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "docker/docker_engine.h"
#include "http/client.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// Docker behind its unix socket.
class DockerSocket final : public DockerEngine {
 public:
  // `loop` must outlive this object.
  DockerSocket(std::string path, Loop& loop);

  DockerSigns signs(const std::string& bridge) const override;
  void list(std::function<void(Result<std::vector<DockerNetwork>>)> reply) override;
  void make(const WishedNetwork& wished, std::function<void(Result<void>)> reply) override;
  std::string describe() const override { return path_; }

 private:
  void call(HttpCall call, const std::string& what, std::function<void(Result<std::string>)> reply);

  std::string path_;
  HttpConnection connection_;
  Timer late_;
};

}  // namespace flannel
