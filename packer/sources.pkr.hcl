locals {
  dist   = var.dist != "" ? var.dist : "${abspath(path.root)}/../target/dist"
  config = var.config != "" ? var.config : "${abspath(path.root)}/../ansible/inventories/single-box/raincell.toml"
}

# A disk for KVM, libvirt, Proxmox and the like.
source "qemu" "image" {
  iso_url          = var.base_image
  iso_checksum     = var.base_image_checksum
  disk_image       = true
  output_directory = var.output
  vm_name          = "raincell-${var.version}.qcow2"
  format           = "qcow2"
  disk_size        = var.disk_size
  disk_compression = true
  disk_interface   = "virtio"
  net_device       = "virtio-net"
  accelerator      = var.accelerator
  memory           = var.memory_mb
  cpus             = var.cpus
  headless         = true
  http_directory   = var.seed
  # A cloud image asks at the address in its serial number; any other takes no notice.
  qemuargs = [
    ["-cpu", var.cpu],
    ["-smbios", "type=1,serial=ds=nocloud-net;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/"],
    ["-device", "virtio-rng-pci"],
    ["-device", "virtio-net,netdev=user.0"],
  ]
  boot_wait            = "1s"
  ssh_username         = var.ssh_user
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "15m"
  shutdown_command     = "sudo shutdown -P now"
}

# An Amazon Machine Image. Credentials: as for any AWS program. No secret goes into it: an instance gets a role.
source "amazon-ebs" "image" {
  ami_name      = "raincell-${var.version}-{{ timestamp }}"
  region        = var.region
  instance_type = var.instance_type
  ssh_username  = "admin"
  # Debian's own account.
  source_ami_filter {
    filters = {
      name                = "debian-12-amd64-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["136693071363"]
    most_recent = true
  }
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 20
    volume_type           = "gp2"
    encrypted             = true
    delete_on_termination = true
  }
  tags = {
    Name    = "raincell"
    Version = var.version
  }
}
