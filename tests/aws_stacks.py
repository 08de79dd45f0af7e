"""The CloudFormation templates of aws/, put up on a local stand-in for AWS: an object in the bucket becomes a message in the
queue that the bucket's prefix lets through, and the machine's role has the policies of the other stacks.

    tests/aws_stacks.py ENDPOINT
"""

import json
import pathlib
import sys
import uuid

import boto3

TEMPLATES = pathlib.Path(__file__).resolve().parent.parent / "aws"
PLACE = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
RUN = uuid.uuid4().hex[:8]


def stack(name, **parameters):
    """Puts a template up and gives its outputs."""
    stacks = boto3.client("cloudformation", **PLACE)
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    body = (TEMPLATES / f"{name}.yml").read_text()
    full_name = f"raincell-{name}-{RUN}"
    stacks.create_stack(StackName=full_name, TemplateBody=body, Parameters=given, Capabilities=["CAPABILITY_IAM"])
    stacks.get_waiter("stack_create_complete").wait(StackName=full_name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    outputs = stacks.describe_stacks(StackName=full_name)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def keys_in(queue_url):
    """The keys of the objects that the messages tell of, as prepare unwraps them."""
    queue, keys = boto3.client("sqs", **PLACE), []
    while messages := queue.receive_message(QueueUrl=queue_url, WaitTimeSeconds=2).get("Messages"):
        for message in messages:
            notice = json.loads(json.loads(message["Body"])["Message"])
            keys += [record["s3"]["object"]["key"] for record in notice.get("Records", [])]
            queue.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return keys


tables = stack("tables", TableName=f"raincell-{RUN}")
intake = stack("intake", BucketName=f"raw-{RUN}", Prefix="hills/")
archive = stack("archive", BucketName=f"archive-{RUN}")
vpc = boto3.client("ec2", **PLACE).create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
policies = {
    "StorePolicyArn": tables["StorePolicyArn"],
    "PreparePolicyArn": intake["PreparePolicyArn"],
    "ArchivePolicyArn": archive["ArchivePolicyArn"],
}
machine = stack("machine", VpcId=vpc, **policies)

objects = boto3.client("s3", **PLACE)
for key in ["hills/20261121T1200.h5", "elsewhere/20261121T1200.h5"]:
    objects.put_object(Bucket=f"raw-{RUN}", Key=key, Body=b"a scan")
found = keys_in(intake["QueueUrl"])
assert found == ["hills/20261121T1200.h5"], found

queue = boto3.client("sqs", **PLACE)
redrive = queue.get_queue_attributes(QueueUrl=intake["QueueUrl"], AttributeNames=["RedrivePolicy"])["Attributes"]
dead = queue.get_queue_attributes(QueueUrl=intake["DeadLettersUrl"], AttributeNames=["QueueArn"])["Attributes"]
assert json.loads(redrive["RedrivePolicy"])["deadLetterTargetArn"] == dead["QueueArn"], redrive

identities = boto3.client("iam", **PLACE)
# A Ref gives the name at Amazon's, the ARN here.
profile = machine["InstanceProfile"].rsplit("/", 1)[-1]
role = identities.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"][0]
attached = identities.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
assert {policy["PolicyArn"] for policy in attached} == set(policies.values()), attached
print("aws: 4 stacks stand; an object's message arrives, the role has 3 policies")
