build {
  sources = ["source.qemu.image", "source.amazon-ebs.image"]

  # Everything is enabled and nothing started; secrets are made, or brought, on each machine that boots from it.
  provisioner "ansible" {
    playbook_file = "${path.root}/../ansible/site.yml"
    groups        = ["raincell"]
    use_proxy     = false
    user          = build.User
    extra_arguments = [
      # As JSON: after `name=` everything is text.
      "--extra-vars", "{\"raincell_image_build\": true, \"nginx_self_signed\": true, \"base_admins\": ${var.admins}}",
      "--extra-vars", "raincell_version=${var.version} raincell_dist=${local.dist} raincell_config=${local.config}",
    ]
    ansible_env_vars = [
      "ANSIBLE_CONFIG=${path.root}/../ansible/ansible.cfg",
      "ANSIBLE_HOST_KEY_CHECKING=false",
    ]
  }

  # It runs once, answers, and forgets that it ever did.
  provisioner "shell" {
    execute_command = "sudo bash -euo pipefail '{{ .Path }}'"
    scripts = [
      "${path.root}/smoke-test.sh",
      "${path.root}/clean.sh",
    ]
  }

  post-processor "manifest" {
    output     = "${var.output}/manifest.json"
    strip_path = true
  }

  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "${var.output}/raincell-${var.version}.{{ .ChecksumType }}"
    only           = ["qemu.image"]
  }
}
