//! The one table of actions: what every S3 and native operation needs. All doors use it.

/// What a scope grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// See objects and listings.
    Read,
    /// Create and change objects.
    Write,
    /// Remove objects and versions.
    Delete,
    /// Buckets, their configuration, policies, locks, ACLs, keys.
    Admin,
}

macro_rules! actions {
    ($($name:ident $s3:literal $access:ident,)*) => {
        /// An operation on a bucket or object, named by the IAM action that AWS checks for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is the IAM action of the same name")]
        pub enum Action {
            $($name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Action] = &[$(Action::$name,)*];

            /// As bucket policies spell it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Action::$name => $s3,)* }
            }

            /// What a key's scope must grant for it.
            #[must_use]
            pub fn access(self) -> Access {
                match self { $(Action::$name => Access::$access,)* }
            }
        }
    };
}

actions! {
    ListAllMyBuckets "s3:ListAllMyBuckets" Read,
    CreateBucket "s3:CreateBucket" Admin,
    DeleteBucket "s3:DeleteBucket" Admin,
    GetBucketLocation "s3:GetBucketLocation" Read,
    GetBucketVersioning "s3:GetBucketVersioning" Read,
    PutBucketVersioning "s3:PutBucketVersioning" Admin,
    GetBucketTagging "s3:GetBucketTagging" Read,
    PutBucketTagging "s3:PutBucketTagging" Admin,
    GetBucketCors "s3:GetBucketCORS" Read,
    PutBucketCors "s3:PutBucketCORS" Admin,
    GetLifecycleConfiguration "s3:GetLifecycleConfiguration" Read,
    PutLifecycleConfiguration "s3:PutLifecycleConfiguration" Admin,
    GetBucketPolicy "s3:GetBucketPolicy" Admin,
    PutBucketPolicy "s3:PutBucketPolicy" Admin,
    DeleteBucketPolicy "s3:DeleteBucketPolicy" Admin,
    GetBucketPolicyStatus "s3:GetBucketPolicyStatus" Read,
    GetBucketAcl "s3:GetBucketAcl" Read,
    PutBucketAcl "s3:PutBucketAcl" Admin,
    GetBucketOwnershipControls "s3:GetBucketOwnershipControls" Read,
    PutBucketOwnershipControls "s3:PutBucketOwnershipControls" Admin,
    GetBucketPublicAccessBlock "s3:GetBucketPublicAccessBlock" Read,
    PutBucketPublicAccessBlock "s3:PutBucketPublicAccessBlock" Admin,
    GetEncryptionConfiguration "s3:GetEncryptionConfiguration" Read,
    PutEncryptionConfiguration "s3:PutEncryptionConfiguration" Admin,
    GetBucketObjectLockConfiguration "s3:GetBucketObjectLockConfiguration" Read,
    PutBucketObjectLockConfiguration "s3:PutBucketObjectLockConfiguration" Admin,
    GetBucketNotification "s3:GetBucketNotification" Read,
    PutBucketNotification "s3:PutBucketNotification" Admin,
    GetBucketLogging "s3:GetBucketLogging" Read,
    PutBucketLogging "s3:PutBucketLogging" Admin,
    ListBucket "s3:ListBucket" Read,
    ListBucketVersions "s3:ListBucketVersions" Read,
    ListBucketMultipartUploads "s3:ListBucketMultipartUploads" Read,
    ListMultipartUploadParts "s3:ListMultipartUploadParts" Read,
    AbortMultipartUpload "s3:AbortMultipartUpload" Write,
    GetObject "s3:GetObject" Read,
    GetObjectVersion "s3:GetObjectVersion" Read,
    GetObjectAttributes "s3:GetObjectAttributes" Read,
    GetObjectVersionAttributes "s3:GetObjectVersionAttributes" Read,
    PutObject "s3:PutObject" Write,
    DeleteObject "s3:DeleteObject" Delete,
    DeleteObjectVersion "s3:DeleteObjectVersion" Delete,
    GetObjectTagging "s3:GetObjectTagging" Read,
    PutObjectTagging "s3:PutObjectTagging" Write,
    DeleteObjectTagging "s3:DeleteObjectTagging" Write,
    GetObjectVersionTagging "s3:GetObjectVersionTagging" Read,
    PutObjectVersionTagging "s3:PutObjectVersionTagging" Write,
    DeleteObjectVersionTagging "s3:DeleteObjectVersionTagging" Write,
    GetObjectAcl "s3:GetObjectAcl" Read,
    PutObjectAcl "s3:PutObjectAcl" Admin,
    GetObjectVersionAcl "s3:GetObjectVersionAcl" Read,
    PutObjectVersionAcl "s3:PutObjectVersionAcl" Admin,
    GetObjectRetention "s3:GetObjectRetention" Read,
    PutObjectRetention "s3:PutObjectRetention" Admin,
    GetObjectLegalHold "s3:GetObjectLegalHold" Read,
    PutObjectLegalHold "s3:PutObjectLegalHold" Admin,
    BypassGovernanceRetention "s3:BypassGovernanceRetention" Admin,
    GetBucketQuota "holdfast:GetBucketQuota" Read,
    PutBucketQuota "holdfast:PutBucketQuota" Admin,
    ReadHistory "holdfast:ReadHistory" Admin,
    PutBucketHistory "holdfast:PutBucketHistory" Admin,
    PutBucketSnapshot "holdfast:PutBucketSnapshot" Admin,
    RestoreBucket "holdfast:RestoreBucket" Admin,
    EraseBucket "holdfast:EraseBucket" Admin,
    ManageKeys "holdfast:ManageKeys" Admin,
    ManageWebhooks "holdfast:ManageWebhooks" Admin,
}

impl Action {
    /// Whether it changes objects, or how versions come and go: what cannot be done to a bucket that only shows.
    #[must_use]
    pub fn changes_content(self) -> bool {
        match self.access() {
            Access::Write | Access::Delete => true,
            Access::Read => false,
            Access::Admin => matches!(
                self,
                Action::PutObjectAcl
                    | Action::PutObjectVersionAcl
                    | Action::PutObjectRetention
                    | Action::PutObjectLegalHold
                    | Action::PutBucketVersioning
                    | Action::PutBucketObjectLockConfiguration
                    | Action::PutLifecycleConfiguration
            ),
        }
    }

    /// What AWS checks when the request names a version, where that is another action. Retention and legal hold have one
    /// action for both.
    #[must_use]
    pub fn of_version(self) -> Self {
        match self {
            Action::GetObject => Action::GetObjectVersion,
            Action::GetObjectAttributes => Action::GetObjectVersionAttributes,
            Action::DeleteObject => Action::DeleteObjectVersion,
            Action::GetObjectTagging => Action::GetObjectVersionTagging,
            Action::PutObjectTagging => Action::PutObjectVersionTagging,
            Action::DeleteObjectTagging => Action::DeleteObjectVersionTagging,
            Action::GetObjectAcl => Action::GetObjectVersionAcl,
            Action::PutObjectAcl => Action::PutObjectVersionAcl,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let rows: Vec<String> =
            Action::ALL.iter().map(|action| format!("{} {:?}", action.as_str(), action.access())).collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn an_action_on_a_version_needs_the_same_scope() {
        for action in Action::ALL {
            assert_eq!(action.of_version().access(), action.access(), "{action:?}");
        }
    }
}
